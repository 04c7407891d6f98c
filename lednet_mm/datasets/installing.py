"""Bring the download of a dataset to the place where its YAML file expects it, and join VOC with SBD."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lednet_mm.datasets.card import DatasetCard, read_card
from lednet_mm.datasets.listing import read_names
from lednet_mm.errors import InputError
from lednet_mm.files import read_regular, require_writable, write_atomically

LARGEST_MAT = 64 << 20
"""The largest .mat file in bytes that is read; those of SBD have about 10,000."""


def install(card_file: Path, source: Path) -> None:
    """Link the folder of a download where a dataset's YAML file expects it; nothing happens if it is there.

    Args:
        card_file: the dataset's YAML file.
        source: folder of the unpacked download.

    Raises:
        InputError: the folder lacks a folder or list that the file names, or the place is taken.
    """
    card = read_card(card_file)
    target = card.data_root
    lacking = [name for name in wanted_in(card) if not (source / name).exists()]
    if lacking:
        raise InputError(
            f"{source} is not {card.name} as it is downloaded: it has no {', '.join(lacking)}; get it with "
            f"{card.get}"
        )
    if target.resolve() == source.resolve():
        return
    require_free(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(source.resolve(), target_is_directory=True)


def require_free(target: Path) -> None:
    """Refuse a place at which something is.

    Raises:
        InputError: something is there.
    """
    if target.exists() or target.is_symlink():
        raise InputError(f"{target} exists already: remove it first, or keep it and check it")


def wanted_in(card: DatasetCard) -> list[str]:
    """Return the folders and lists that a dataset's YAML file names below its root, each once."""
    found = []
    for _, split in card.splits:
        if split is not None:
            found += [folder for folder in (split.images, split.labels) if folder]
            listing = card.list_of(split)
            if listing is not None and listing.resolve().is_relative_to(card.data_root.resolve()):
                found.append(listing.resolve().relative_to(card.data_root.resolve()).as_posix())
    return list(dict.fromkeys(found))


def join_voc_with_sbd(
    voc: Path, sbd: Path, target: Path, tracked: Callable[[list[str]], Iterable[str]] = lambda names: names
) -> int:
    """Write the labels and lists of VOC 2012 with SBD's training images, and link VOC's images.

    The training images are those of VOC's train split and of SBD that are not in VOC's val split. A label
    of VOC is taken where there is one; SBD's have no ignored border.

    Args:
        voc: folder ``VOCdevkit/VOC2012``.
        sbd: folder ``benchmark_RELEASE/dataset`` with ``cls/*.mat``, ``train.txt`` and ``val.txt``.
        target: folder to make, which appears complete or not at all.
        tracked: function that shows progress through the names of the images.

    Returns:
        The number of training images.

    Raises:
        InputError: a folder is not the named one, a label is damaged, or the target exists.
    """
    lists = voc / "ImageSets" / "Segmentation"
    for folder in (voc / "JPEGImages", voc / "SegmentationClass", lists):
        if not folder.is_dir():
            raise InputError(f"{voc} is not VOC 2012 (VOCdevkit/VOC2012): it has no {folder.name}")
    if not (sbd / "cls").is_dir():
        raise InputError(f"{sbd} is not SBD (benchmark_RELEASE/dataset): it has no cls")
    require_free(target)
    require_writable(target.parent)
    own, held_out = (read_names(lists / f"{split}.txt", ()) for split in ("train", "val"))
    of_sbd = [name for split in ("train", "val") for name in read_names(sbd / f"{split}.txt", ())]
    names = sorted({*own, *of_sbd} - set(held_out))
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".voc-") as temporary:
        whole = Path(temporary) / "voc"
        labels = whole / "SegmentationClassAug"
        labels.mkdir(parents=True)
        (whole / "JPEGImages").symlink_to((voc / "JPEGImages").resolve(), target_is_directory=True)
        for name in tracked([*names, *held_out]):
            if name in of_sbd and name not in own and name not in held_out:
                write_atomically(labels / f"{name}.png", _as_png(read_sbd(sbd / "cls" / f"{name}.mat")))
            else:
                shutil.copyfile(voc / "SegmentationClass" / f"{name}.png", labels / f"{name}.png")
        (whole / "trainaug.txt").write_text("".join(f"{name}\n" for name in names))
        (whole / "val.txt").write_text("".join(f"{name}\n" for name in held_out))
        whole.replace(target)
    return len(names)


def read_sbd(path: Path) -> np.ndarray:
    """Read the classes of an image from a file of SBD.

    Returns:
        (H, W) uint8, 0 to 20.

    Raises:
        InputError: the file is missing, damaged or holds something else.
    """
    from scipy.io import loadmat

    try:
        content: Any = loadmat(io.BytesIO(read_regular(path, LARGEST_MAT)), variable_names=["GTcls"])
        classes = content["GTcls"]["Segmentation"][0, 0]
    except OSError as error:
        raise InputError(f"label {path} cannot be read: {error.strerror or error}") from None
    except Exception as error:  # SciPy raises whatever a damaged file leads to
        raise InputError(f"label {path} is damaged, or no file of SBD's cls: replace it") from error
    if not isinstance(classes, np.ndarray) or classes.ndim != 2 or classes.dtype != np.uint8:
        raise InputError(f"label {path} holds no map of classes: replace it")
    if classes.max(initial=0) > 20:
        raise InputError(f"label {path} holds class {classes.max()}, and SBD has 0 to 20: replace it")
    return classes


def _as_png(classes: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(classes).save(content, "PNG")
    return content.getvalue()
