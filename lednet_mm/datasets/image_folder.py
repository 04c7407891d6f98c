"""Images in one folder per class, as ImageNet is for torchvision: for the training of a classifier."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmseg.registry import DATASETS
from PIL import Image
from torch.utils.data import Dataset

from lednet_mm.datasets.check import QUICK_SAMPLE, DatasetSummary
from lednet_mm.datasets.loading import read_image
from lednet_mm.errors import InputError
from lednet_mm.terminal import tracked

ENDINGS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".tif", ".tiff", ".webp")
"""Endings of the files that are images, in any case; torchvision's ``ImageFolder`` has the same ones."""

Box = tuple[int, int, int, int]
"""Left, top, right and bottom."""


def class_names(root: str | Path, split: str = "train") -> list[str]:
    """Return the names of the classes of a folder of images, sorted.

    Args:
        root: folder of the splits.
        split: the split whose folders are the classes.

    Raises:
        InputError: the folder is missing, or has fewer than two folders in it.
    """
    folder = Path(root) / split
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: give one with train/<class>/*.jpg and val/<class>/*.jpg")
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    if len(names) < 2:
        raise InputError(
            f"{folder} has {len(names)} folders, and each class needs one: {split}/<class>/*.jpg"
        )
    return names


@DATASETS.register_module()
class ImageFolder(Dataset):
    """A split of a folder of images: ``<data_root>/<split>/<class>/**/*.jpg``.

    In training, an image is a random part of the file, which has 8 to 100% of its area and is 3/4 to 4/3
    times as wide as high, mirrored half of the time. Otherwise it is the centre of the file, whose shorter
    side is scaled to 256/224 of the size. Torchvision's ``RandomResizedCrop``, ``RandomHorizontalFlip``,
    ``Resize`` and ``CenterCrop`` do the same in the code of LEDNet's authors (imagenet-pretrain/main.py).

    Args:
        data_root: folder of the splits.
        split: ``train`` or ``val``.
        size: height and width of the images in pixels.
        augment: whether images are random parts; draws of ``ReproducibleSampler`` are the same in every run.
        mean: mean of red, green and blue that is subtracted, of values from 0 to 255.
        std: standard deviations by which the values are then divided.

    Raises:
        InputError: the folder is missing, a class of the training split has no folder or no image in it, or
            there is a class that the training split does not have.
    """

    def __init__(
        self,
        data_root: str,
        split: str = "train",
        size: int = 224,
        augment: bool = False,
        mean: Sequence[float] = (123.675, 116.28, 103.53),
        std: Sequence[float] = (58.395, 57.12, 57.375),
    ) -> None:
        classes = class_names(data_root)
        theirs = class_names(data_root, split)
        if theirs != classes:
            name = min({*classes} ^ {*theirs})
            raise InputError(
                f"{Path(data_root) / split}: the class {name!r} is in one of train and {split} only: both "
                "need the same folders"
            )
        self.data_root = data_root
        self.metainfo = {"classes": tuple(classes)}
        self.size = size
        self.augment = augment
        self.mean = torch.tensor(mean).reshape(3, 1, 1)
        self.std = torch.tensor(std).reshape(3, 1, 1)
        self.images: list[tuple[str, int]] = []
        for number, name in enumerate(classes):
            folder = Path(data_root) / split / name
            found = [
                (os.path.join(place, file), number)  # noqa: PTH118  (a million paths)
                for place, _, files in os.walk(folder, followlinks=True)
                for file in files
                if file.lower().endswith(ENDINGS)
            ]
            if not found:
                raise InputError(f"{folder} holds no image ({', '.join(ENDINGS)}): add some, or remove it")
            self.images += sorted(found)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return ``inputs``, the normalised image (3, size, size) in red, green, blue, and ``labels``."""
        path, label = self.images[index]
        image = Image.fromarray(read_image(path, upright=False)[..., ::-1])
        flip = False
        if self.augment:
            random = np.random.default_rng(getattr(index, "seed", None))
            box = random_box(random, image.width, image.height)
            image = image.resize((self.size, self.size), Image.Resampling.BILINEAR, box)
            flip = random.random() < 0.5
        else:
            image = centre(image, self.size)
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float()
        pixels = (pixels.flip(2) if flip else pixels) - self.mean
        return {"inputs": pixels / self.std, "labels": label}


def random_box(random: np.random.Generator, width: int, height: int) -> Box:
    """Choose a random part of an image, as torchvision's ``RandomResizedCrop`` does."""
    for _ in range(10):
        area = width * height * random.uniform(0.08, 1.0)
        ratio = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            left, top = int(random.integers(width - w + 1)), int(random.integers(height - h + 1))
            return left, top, left + w, top + h
    w = min(width, round(height * 4 / 3))  # no such part fits a very wide or high image
    h = min(height, round(width * 4 / 3))
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h


def centre(image: Image.Image, size: int) -> Image.Image:
    """Scale an image's shorter side to 256/224 of a size, and return the centre of that size."""
    short = round(size * 256 / 224)
    scale = short / min(image.size)
    image = image.resize(
        (max(short, int(image.width * scale)), max(short, int(image.height * scale))),
        Image.Resampling.BILINEAR,
    )
    left, top = round((image.width - size) / 2), round((image.height - size) / 2)
    return image.crop((left, top, left + size, top + size))


def check_image_folder(settings: Mapping[str, Any]) -> DatasetSummary:
    """Check one split of a folder of images: a sample of files is read, and all are listed.

    Args:
        settings: config of an :class:`ImageFolder`.

    Raises:
        InputError: the folder has not the expected form.
    """
    dataset = DATASETS.build(dict(settings))
    counts = np.bincount([label for _, label in dataset.images], minlength=len(dataset.metainfo["classes"]))
    problems: list[str] = []
    sizes: dict[tuple[int, int], int] = {}
    chosen = np.unique(np.linspace(0, len(dataset) - 1, QUICK_SAMPLE).astype(int))
    for index in tracked(chosen.tolist(), "reading a sample"):
        try:
            height, width = read_image(dataset.images[index][0], upright=False).shape[:2]
            sizes[height, width] = sizes.get((height, width), 0) + 1
        except InputError as error:
            problems.append(str(error))
    digest = hashlib.sha256()
    for path, _ in dataset.images:
        digest.update(f"{os.path.relpath(path, dataset.data_root)} {Path(path).stat().st_size}\n".encode())
    return DatasetSummary(
        images=len(dataset),
        decoded=len(chosen) - len(problems),
        classes=dataset.metainfo["classes"],
        class_pixels=counts,
        class_images=counts,
        pixels_with_class=counts,
        ignored_pixels=0,
        image_sizes=sizes,
        fingerprint=f"sizes:{digest.hexdigest()}",
        problems=problems,
    )
