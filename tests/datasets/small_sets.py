"""Little datasets on disk, made for one test."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import yaml

HEIGHT, WIDTH = 24, 32


def write_png(path: Path, array: np.ndarray) -> None:
    """Write an array as PNG, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), array)


def make_camvid(root: Path, images: int = 4) -> Path:
    """Write a CamVid of random images whose labels hold every id from 0 to 11."""
    rng = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        for i in range(images):
            name = f"{split}_{i:03d}.png"
            write_png(root / split / name, rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8))
            write_png(root / f"{split}annot" / name, rng.integers(0, 12, (HEIGHT, WIDTH), np.uint8))
    return root


def make_cityscapes(root: Path, images: int = 2) -> Path:
    """Write a Cityscapes of random images and labelIds (fine and coarse), without labelTrainIds."""
    rng = np.random.default_rng(0)
    for split, city in (("train", "aachen"), ("val", "frankfurt")):
        for i in range(images):
            stem = f"{city}_{i:06d}_000019"
            image = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
            write_png(root / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png", image)
            for kind in ("gtFine", "gtCoarse"):
                ids = rng.integers(0, 34, (HEIGHT, WIDTH), np.uint8)
                write_png(root / kind / split / city / f"{stem}_{kind}_labelIds.png", ids)
    return root


def make_pairs(
    root: Path, images: int = 6, *, ending: str = ".png", values: tuple[int, ...] = (0, 1, 2, 255)
) -> list[np.ndarray]:
    """Write ``images/x0``, ... of several sizes and ``masks/x0.png``, ... of random ids; return the ids."""
    rng = np.random.default_rng(0)
    labels = []
    for i in range(images):
        shape = (HEIGHT + 8 * (i % 3), WIDTH + 4 * i)
        write_png(root / "images" / f"x{i}{ending}", rng.integers(0, 256, (*shape, 3), np.uint8))
        ids = rng.choice(values, shape)
        labels.append(ids.astype(np.uint8 if max(values) < 256 else np.uint16))
        write_png(root / "masks" / f"x{i}.png", labels[-1])
    return labels


OWN = {
    "name": "potholes",
    "root": "data",
    "splits": {
        "train": {"images": "images", "labels": "masks"},
        "val": {"images": "images", "labels": "masks"},
    },
    "classes": [
        {"name": "road", "ids": [0], "color": [128, 64, 128]},
        {"name": "pothole", "ids": [1, 2]},
    ],
    "ignore": [255],
}
"""What the YAML file of a dataset that :func:`make_pairs` made in the folder ``data`` holds."""


def write_card(folder: Path, **changes: object) -> Path:
    """Write a dataset's YAML file: ``OWN`` with other values of some keys; None leaves a key out."""
    path = folder / "potholes.yaml"
    content = {key: value for key, value in {**OWN, **changes}.items() if value is not None}
    plain = json.loads(json.dumps(content))  # no object twice, of which PyYAML would make an alias
    path.write_text(yaml.safe_dump(plain, sort_keys=False))
    return path
