"""The generated street scenes: a small set in Cityscapes' layout that any machine makes in seconds."""

from __future__ import annotations

import hashlib
import json
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmseg.registry import DATASETS

from lednet_mm.datasets.cityscapes import TO_TRAIN_ID, Cityscapes
from lednet_mm.datasets.streets_artwork import BICYCLE, BUS, CAR, MOTORCYCLE, TRAIN, TRUCK
from lednet_mm.datasets.streets_scene import draw_scene
from lednet_mm.errors import InputError
from lednet_mm.terminal import tracked

VERSION = 1
"""Version of the drawing: raise it with every change of a pixel, so that older sets are made anew."""

CITY = "generated"
FEATURED = (CAR, TRAIN, BUS, TRUCK, MOTORCYCLE, BICYCLE)


@DATASETS.register_module()
class StreetsDataset(Cityscapes):
    """The generated street scenes, with the classes, ids and layout of Cityscapes.

    Args:
        data_root: the folder given to :func:`generate_streets`.
        split: ``train`` or ``val``.
        **kwargs: as in :class:`~lednet_mm.datasets.cityscapes.Cityscapes`.
    """

    HOW_TO_GET = "`python tools/prepare_dataset.py streets`"

    def __init__(self, data_root: str = "data/streets", split: str = "train", **kwargs: Any) -> None:
        super().__init__(data_root=data_root, split=split, **kwargs)


def generate_streets(
    root: str | Path,
    train: int = 200,
    val: int = 60,
    size: tuple[int, int] = (128, 256),
    seed: int = 0,
    workers: int = 1,
) -> bool:
    """Make the set, unless it is there complete with the same parameters.

    An image depends on (seed, split, index) alone, not on the order or the number of workers. The set is
    built in a temporary folder beside ``root`` and renamed when it is whole.

    Args:
        root: the folder to make, for instance ``data/streets``.
        train: number of training images.
        val: number of validation images.
        size: (height, width) in pixels.
        seed: seed of the whole set.
        workers: processes that draw.

    Returns:
        True if the set was made, False if it was there.

    Raises:
        InputError: a number is too small, or ``root`` is a folder that this function did not make.
    """
    if min(train, val) < 1 or min(size) < 32:
        raise InputError(
            f"streets: {train} train and {val} val images of {size[1]}x{size[0]} make no set: "
            "give at least 1 of each and 32 pixels a side"
        )
    root = Path(root).resolve()
    parameters = {"version": VERSION, "train": train, "val": val, "size": list(size), "seed": seed}
    ours = (root / "streets.json").is_file() or (root.is_dir() and not any(root.iterdir()))
    if root.exists() and not ours:
        raise InputError(f"{root} holds something other than generated streets: give another folder")
    if _is_complete(root, parameters):
        return False

    jobs = [(split, index) for split, count in (("train", train), ("val", val)) for index in range(count)]
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent, prefix=f".{root.name}-") as temporary:
        whole = Path(temporary) / "whole"
        for split in ("train", "val"):
            for kind in ("leftImg8bit", "gtFine"):
                (whole / kind / split / CITY).mkdir(parents=True)
        write = partial(_write_pair, whole, size, seed)
        if workers == 1:
            digests = list(tracked(map(write, jobs), "drawing", len(jobs)))
        else:
            with ProcessPoolExecutor(workers) as pool:
                digests = list(tracked(pool.map(write, jobs, chunksize=8), "drawing", len(jobs)))
        fingerprint = hashlib.sha256("".join(digests).encode()).hexdigest()
        facts = {**parameters, "fingerprint": fingerprint}
        (whole / "streets.json").write_text(json.dumps(facts, indent=2) + "\n")
        if root.exists():
            root.replace(Path(temporary) / "old")
        whole.replace(root)
    return True


def _is_complete(root: Path, parameters: dict[str, Any]) -> bool:
    """Tell whether ``root`` holds a whole set made with these parameters."""
    try:
        facts = json.loads((root / "streets.json").read_text())
    except (OSError, ValueError):
        return False
    facts.pop("fingerprint", None)
    return facts == parameters and all(
        path.is_file() and path.stat().st_size > 0
        for split in ("train", "val")
        for index in range(parameters[split])
        for path in _paths(root, split, index)
    )


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
