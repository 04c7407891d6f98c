"""Is a dataset whole? Every image and label readable, paired, of one size, with ids in range."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS

from lednet_mm.datasets.loading import IGNORE, LoadImage, LoadLabels
from lednet_mm.errors import InputError
from lednet_mm.files import find_files
from lednet_mm.terminal import tracked

QUICK_SAMPLE = 8  # pairs decoded by the quick form


@dataclass
class DatasetSummary:
    """What a check of one split found.

    Attributes:
        images: images listed.
        decoded: pairs that were read and decoded without a fault.
        classes: class names.
        class_pixels: (C,) int64, pixels of each class in the decoded pairs.
        ignored_pixels: pixels labelled 255 in the decoded pairs.
        image_sizes: images of each (height, width) among the decoded ones.
        fingerprint: ``content:<sha256>`` of all names and file contents, or, in the quick form,
            ``sizes:<sha256>`` of all names and file sizes.
        problems: one line each, with the path.
    """

    images: int
    decoded: int
    classes: tuple[str, ...]
    class_pixels: np.ndarray
    ignored_pixels: int
    image_sizes: dict[tuple[int, int], int]
    fingerprint: str
    problems: list[str] = field(default_factory=list)

    @property
    def absent_classes(self) -> list[str]:
        """Names of the classes without a pixel in the decoded pairs."""
        return [name for name, pixels in zip(self.classes, self.class_pixels, strict=True) if pixels == 0]

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values for JSON."""
        return {
            "images": self.images,
            "decoded": self.decoded,
            "class_pixels": dict(zip(self.classes, self.class_pixels.tolist(), strict=True)),
            "ignored_pixels": self.ignored_pixels,
            "image_sizes": [
                {"height": height, "width": width, "images": images}
                for (height, width), images in sorted(self.image_sizes.items())
            ],
            "fingerprint": self.fingerprint,
            "problems": self.problems,
        }


def check_dataset(dataset: Any, quick: bool = False) -> DatasetSummary:
    """Check one split and collect everything that is wrong with it.

    Args:
        dataset: an mmseg dataset or its config; a ``ConcatDataset`` of such is checked as one.
        quick: compare all names, but decode only a sample of 8 pairs (below a second for CamVid). The full
            form decodes and hashes every file and shows a progress bar on stderr.

    Returns:
        Counts, class histogram, sizes, fingerprint and problems.

    Raises:
        InputError: a folder of the dataset is missing or empty.
    """
    if isinstance(dataset, dict):
        with DefaultScope.overwrite_default_scope("mmseg"):
            dataset = DATASETS.build(dataset)
    members = getattr(dataset, "datasets", [dataset])
    for member in members:
        member.full_init()
    samples = [(member, member.get_data_info(i)) for member in members for i in range(len(member))]
    problems = [line for member in members for line in _unpaired(member)]
    paired = [pair for pair in samples if Path(pair[1]["seg_map_path"]).is_file()]
    if quick:
        chosen = np.unique(np.linspace(0, len(paired) - 1, min(QUICK_SAMPLE, len(paired))).astype(int))
        selected = [paired[i] for i in chosen]
    else:
        selected = paired

    classes = tuple(dataset.metainfo["classes"])
    load_image, load_labels = LoadImage(), LoadLabels()
    pixels = np.zeros(256, np.int64)
    sizes: dict[tuple[int, int], int] = {}
    decoded = 0
    for _, sample in selected if quick else tracked(selected, "checking", len(selected)):
        try:
            sample = load_labels(load_image({"num_classes": len(classes), **sample}))
        except InputError as error:
            problems.append(str(error))
            continue
        pixels += np.bincount(sample["gt_seg_map"].ravel(), minlength=256)
        sizes[sample["ori_shape"]] = sizes.get(sample["ori_shape"], 0) + 1
        decoded += 1
    return DatasetSummary(
        images=len(samples),
        decoded=decoded,
        classes=classes,
        class_pixels=pixels[: len(classes)],
        ignored_pixels=int(pixels[IGNORE]),
        image_sizes=sizes,
        fingerprint=_fingerprint(samples, quick),
        problems=problems,
    )


def class_weights(class_pixels: Sequence[int] | np.ndarray) -> list[float]:
    """Weigh classes by 1 / ln(1.02 + p), p being a class's share of the labelled pixels.

    The rule of ENet (Paszke et al., 2016, https://arxiv.org/abs/1606.02147): weights between 1.4 and 50.5.

    Args:
        class_pixels: (C,) pixels of each class in the training split.

    Returns:
        C weights, rounded to four decimals.
    """
    pixels = np.asarray(class_pixels, np.float64)
    return [round(float(weight), 4) for weight in 1 / np.log(1.02 + pixels / pixels.sum())]


def _unpaired(dataset: Any) -> list[str]:
    """Name the images without a label and the labels without an image."""
    samples = [dataset.get_data_info(index) for index in range(len(dataset))]
    image_of = {Path(sample["seg_map_path"]): sample["img_path"] for sample in samples}
    present = set(find_files(dataset.data_prefix["seg_map_path"], dataset.seg_map_suffix))
    without_label = [
        f"image {image_of[path]} has no label: restore {path}" for path in sorted(image_of.keys() - present)
    ]
    without_image = [
        f"label {path} has no image in {dataset.data_prefix['img_path']}: restore or remove one of the two"
        for path in sorted(present - image_of.keys())
    ]
    return without_label + without_image


def _fingerprint(samples: Sequence[tuple[Any, dict]], quick: bool) -> str:
    """Hash the sorted names of all files with their contents, or with their sizes in the quick form."""
    lines = []
    for dataset, sample in samples:
        for path in (Path(sample["img_path"]), Path(sample["seg_map_path"])):
            name = Path(os.path.relpath(path, dataset.data_root or ".")).as_posix()
            if not path.is_file():
                state = "missing"
            elif quick:
                state = str(path.stat().st_size)
            else:
                state = hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(f"{name} {state}\n")
    digest = hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()
    return f"{'sizes' if quick else 'content'}:{digest}"
