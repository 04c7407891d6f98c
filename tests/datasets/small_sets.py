"""Little datasets on disk, made for one test."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

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
