"""Measure the time to load and augment training images, from their files and from the decoded cache.

python benchmarks/loader.py [--seconds 10] [--images 8]

For each dataset that is present (CamVid, Cityscapes and the generated streets), the script runs the training
pipeline of the dataset's LEDNet config in this process, on one thread, over the same images with the same
augmentations. Both ways must give the same images. The cache is filled before the measurement, so the time
for filling it is not included.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lednet_mm.register  # noqa: F401  (first: threads are set before PyTorch starts)

# isort: split
import cv2
import torch
from mmseg.registry import DATASETS

from lednet_mm.config import load_config
from lednet_mm.datasets.reproducible import Draw
from lednet_mm.environment import choose_threads
from lednet_mm.errors import InputError, run_command
from lednet_mm.records import write_record
from lednet_mm.timing.comparing import compare_ways

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
NAMES = ("camvid", "cityscapes", "streets")


def loader(settings: dict, images: int) -> Callable[[], list[Any]]:
    """Return a function that loads a dataset's first images with the same augmentations at every call.

    Args:
        settings: config of the dataset.
        images: number of images that one call loads.
    """
    dataset = DATASETS.build(copy.deepcopy(settings))
    draws = [Draw(i % len(dataset), seed=i) for i in range(images)]
    return lambda: [dataset[draw] for draw in draws]


def same(ours: list[Any], theirs: list[Any]) -> bool:
    """Return whether two loaders gave the same images and labels."""
    pairs = zip(ours, theirs, strict=True)
    return all(
        torch.equal(a["inputs"], b["inputs"])
        and torch.equal(a["data_samples"].gt_sem_seg.data, b["data_samples"].gt_sem_seg.data)
        for a, b in pairs
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Time the loading of each dataset, print the tables and write the records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="seconds for each way (default 10)")
    parser.add_argument("--images", type=int, default=8, help="images in one call (default 8)")
    parser.add_argument("--work-dir", default="work_dirs/benchmarks/loader", help="folder for records")
    options = parser.parse_args(arguments)
    threads = choose_threads()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    for name in NAMES:
        settings = load_config(CONFIGS / f"lednet_{name}.py").train_dataloader.dataset
        settings.pop("cache_dir", None)
        try:
            plain = loader(settings, options.images)
        except InputError as reason:
            print(f"{name}: not measured: {reason}")
            continue
        with tempfile.TemporaryDirectory() as folder:
            cached = loader({**settings, "cache_dir": folder}, options.images)
            cached()
            if not same(plain(), cached()):
                raise RuntimeError(f"{name}: the cache gives other images")
            ways = {"files": plain, "decoded cache": cached}
            compared = compare_ways(f"loader {name}", ways, options.images, "images", seconds=options.seconds)
        print(compared.table())
        write_record(compared.record(threads, {"dataset": name}), options.work_dir)


if __name__ == "__main__":
    run_command(main)
