"""Generate the dataset of street scenes: its files, and how several processes share the work."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lednet_mm.datasets.cityscapes import TO_TRAIN_ID
from lednet_mm.datasets.streets.artwork import BICYCLE, BUS, CAR, MOTORCYCLE, TRAIN, TRUCK
from lednet_mm.datasets.streets.scene import draw_scene
from lednet_mm.errors import InputError
from lednet_mm.files import FolderLock, require_writable
from lednet_mm.terminal import tracked

VERSION = 1
"""Version of the drawing; raise it with every change of a pixel, so that older datasets are replaced."""

CITY = "generated"
FACTS = "streets.json"
"""The file in which a dataset states the parameters that it was made with."""
FEATURED = (CAR, TRAIN, BUS, TRUCK, MOTORCYCLE, BICYCLE)


def generate_streets(
    root: str | Path,
    train: int = 200,
    val: int = 60,
    size: tuple[int, int] = (128, 256),
    seed: int = 0,
    workers: int = 1,
) -> bool:
    """Generate the dataset, unless it exists completely with the same parameters.

    An image depends on (seed, split, index) only, not on the order or the number of workers. A new dataset is
    built in a temporary folder beside ``root`` and renamed when it is complete. In an existing dataset, only
    missing files are written again; no file is ever removed. If several processes do this at once, one of
    them generates the dataset and the others wait; their lock is a folder beside ``root`` that stays there.

    Args:
        root: folder to create, for instance ``data/streets``.
        train: number of training images.
        val: number of validation images.
        size: (height, width) in pixels.
        seed: seed of the whole dataset.
        workers: number of processes that draw.

    Returns:
        True if the dataset or some of its files were made, False if it was complete before.

    Raises:
        InputError: a number is too small, ``root`` holds something else or a dataset with other parameters,
            or it cannot be written.
    """
    if min(train, val) < 1 or min(size) < 32:
        raise InputError(
            f"streets: {train} train and {val} val images of {size[1]}x{size[0]} do not make a dataset: "
            "give at least 1 of each and 32 pixels a side"
        )
    if workers < 1 or seed < 0:
        raise InputError(
            f"streets: {workers} workers and seed {seed}: give at least 1 worker and a seed from 0"
        )
    root = Path(root).resolve()
    parameters = {"version": VERSION, "train": train, "val": val, "size": list(size), "seed": seed}
    if not _missing(root, parameters):
        return False
    require_writable(root.parent)
    with (
        _alone(root),
        tempfile.TemporaryDirectory(dir=root.parent, prefix=f".{root.name}-") as temporary,
    ):
        jobs = _missing(root, parameters)
        if not jobs:  # another process has made them in the meantime
            return False
        drawn = Path(temporary) / "drawn"
        digests = _draw(drawn, jobs, size, seed, workers)
        if _is_new(root):
            facts = {**parameters, "fingerprint": hashlib.sha256("".join(digests).encode()).hexdigest()}
            (drawn / FACTS).write_text(json.dumps(facts, indent=2) + "\n")
            drawn.replace(root)
            return True
        for job in jobs:
            for source, target in zip(_paths(drawn, *job), _paths(root, *job), strict=True):
                if not _is_written(target):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    source.replace(target)
    return True


def _is_new(root: Path) -> bool:
    return not root.exists() or (root.is_dir() and not any(root.iterdir()))


def _missing(root: Path, parameters: dict[str, Any]) -> list[tuple[str, int]]:
    """Return (split, index) of the scenes that a dataset lacks; refuse a folder that holds anything else."""
    jobs = [(split, index) for split in ("train", "val") for index in range(parameters[split])]
    if _is_new(root):
        return jobs
    _require_same(root, parameters)
    return [job for job in jobs if not all(_is_written(path) for path in _paths(root, *job))]


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Wait until no other process generates a dataset here, and keep others out until exit."""
    place = root.with_name(f".{root.name}.lock")
    while (lock := FolderLock.take(place)) is None:
        time.sleep(0.1)
    with lock:
        yield


def _require_same(root: Path, parameters: dict[str, Any]) -> None:
    """Refuse a folder that holds anything but streets with these parameters."""
    try:
        facts = json.loads((root / FACTS).read_text())
        there = {key: facts[key] for key in parameters}
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            f"{root} holds something other than generated streets: give another folder, or move it away"
        ) from None
    others = [
        f"{key} {there[key]} instead of {value}" for key, value in parameters.items() if there[key] != value
    ]
    if others:
        raise InputError(
            f"{root} holds streets with other parameters ({', '.join(others)}), which are kept: "
            "give another folder, or move it away"
        )


def _is_written(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _draw(
    root: Path, jobs: Sequence[tuple[str, int]], size: tuple[int, int], seed: int, workers: int
) -> list[str]:
    """Write the scenes of some (split, index); return the sha256 of the pixels of each."""
    for path in {path.parent for job in jobs for path in _paths(root, *job)}:
        path.mkdir(parents=True, exist_ok=True)
    write = partial(_write_pair, root, size, seed)
    if workers == 1:
        return list(tracked(map(write, jobs), "drawing", len(jobs)))
    with ProcessPoolExecutor(workers) as pool:
        return list(tracked(pool.map(write, jobs, chunksize=8), "drawing", len(jobs)))


def _paths(root: Path, split: str, index: int) -> tuple[Path, Path, Path]:
    """Return the paths of image, labelIds and labelTrainIds."""
    name = f"{CITY}_{index:06d}_000000"
    labels = root / "gtFine" / split / CITY
    return (
        root / "leftImg8bit" / split / CITY / f"{name}_leftImg8bit.png",
        labels / f"{name}_gtFine_labelIds.png",
        labels / f"{name}_gtFine_labelTrainIds.png",
    )


def _write_pair(root: Path, size: tuple[int, int], seed: int, job: tuple[str, int]) -> str:
    """Draw and write one scene; return the sha256 of its pixels."""
    split, index = job
    rng = np.random.default_rng((seed, ("train", "val").index(split), index))
    image, label_ids = draw_scene(rng, size, FEATURED[index % len(FEATURED)])
    for path, pixels in zip(
        _paths(root, split, index), (image, label_ids, TO_TRAIN_ID[label_ids]), strict=True
    ):
        path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())  # imwrite is silent when the disk is full
    return hashlib.sha256(image.tobytes() + label_ids.tobytes()).hexdigest()
