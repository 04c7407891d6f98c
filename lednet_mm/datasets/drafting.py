"""Draft the YAML file of a user's own dataset from its folders: pairs, splits, ids and colours."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from lednet_mm.datasets.card import MOST_CLASSES, voc_color
from lednet_mm.datasets.listing import endings_of, paired_files
from lednet_mm.datasets.loading import IGNORE, LARGEST_ID, read_colors, read_ids
from lednet_mm.errors import InputError
from lednet_mm.files import find_files
from lednet_mm.terminal import tracked
from lednet_mm.text import is_name

SUBFOLDERS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
"""Names that the subfolder of each split may have."""
SHARES = {"val": 0.1, "test": 0.1}
"""The shares of images in random splits; the rest is for training."""
FEWEST_PAIRS = 2
COLORED = ("RGB", "RGBA", "LA", "CMYK")


@dataclass(frozen=True)
class Values:
    """The values found in the labels of a dataset.

    Attributes:
        pixels: number of pixels of each id, or of each colour coded as one number (:func:`read_colors`).
        images: number of labels that contain each value.
        colored: whether the values are colours.
        palette: colour of each id in palette images; empty for other labels.
    """

    pixels: Counter[int]
    images: Counter[int]
    colored: bool
    palette: dict[int, list[int]]


class _Places:
    """The folders of images and labels, and the paths of their files relative to the common root."""

    def __init__(self, images: Path, labels: Path) -> None:
        self.images, self.labels = images, labels
        self.root = Path(os.path.commonpath([images.resolve(), labels.resolve()]))

    def __call__(self, folder: Path, path: Path) -> str:
        """Return a path in one of the folders relative to the root; links within the folder stay links."""
        return Path(os.path.relpath(folder.resolve() / path.relative_to(folder), self.root)).as_posix()


def draft_card(images: Path, labels: Path, out: Path, seed: int = 0) -> dict[Path, str]:
    """Draft the YAML file of a dataset after reading every label.

    Args:
        images: folder of images.
        labels: folder of labels, which hold ids or colours or are palette images.
        out: the YAML file that will be written.
        seed: seed of the random splits, used if the folders have no subfolders ``train`` and ``val``.

    Returns:
        The text of each file to write, by path: the YAML file and, for random splits, lists beside it.
        Nothing is written yet.

    Raises:
        InputError: a folder is missing, no image has a label, a label is unreadable, or the labels hold more
            values than there can be classes.
    """
    for folder in (images, labels):
        if not folder.is_dir():
            raise InputError(f"{folder} is no folder: give the folders of the images and of the labels")
    if not is_name(out.stem) or out.suffix.lower() not in (".yaml", ".yml"):
        raise InputError(f"{out}: give a YAML file named after the dataset: potholes.yaml, say")
    image_suffix, label_suffix, pairs = _paired(images, labels)
    values = _values_of([label for _, label in pairs])
    places = _Places(images, labels)
    splits, lists = _splits(places, pairs, out, seed)
    root = os.path.relpath(places.root, os.path.abspath(out.parent))  # noqa: PTH100  (links stay links)
    lines = [
        "# A draft: give the classes their names, and see that the splits are what you want.",
        f"name: {_quoted(out.stem)}",
        f"root: {_quoted(root)}  # relative to this file",
        *(["# Images are split at random: frames of one video belong in one split."] if lists else []),
        "splits:",
        *splits,
        *([f"image_suffix: {_quoted(image_suffix)}"] if image_suffix and not lists else []),
        *([f"label_suffix: {_quoted(label_suffix)}"] if label_suffix and not lists else []),
        *_classes(values, len(pairs)),
        "unit: image  # what is independent; for frames of videos {sequence: '([^/]+)_([0-9]+)'}, say",
    ]
    return {out: "\n".join(lines) + "\n", **lists}


def _quoted(text: str) -> str:
    """Return text as a YAML string in quotation marks.

    Raises:
        InputError: the text is not valid UTF-8.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError(f"{text!r} is not valid UTF-8: rename this file or folder") from None
    return json.dumps(text, ensure_ascii=False)


def _paired(images: Path, labels: Path) -> tuple[str, str, list[tuple[Path, Path]]]:
    """Return the suffixes of images and labels that give the most pairs, and these pairs.

    Raises:
        InputError: fewer than two images have a label.
    """
    stems = [_common_ending(images, labels), _common_ending(labels, images)]
    best: tuple[str, str, list[tuple[Path, Path]]] = ("", "", [])
    for image_suffix, label_suffix in dict.fromkeys(
        [("", ""), ("", stems[1]), (stems[0], ""), (stems[0], stems[1])]
    ):
        if images.resolve() == labels.resolve() and image_suffix == label_suffix:
            continue
        try:
            image_of, label_of = paired_files(
                images, endings_of(image_suffix), labels, endings_of(label_suffix)
            )
        except InputError:  # two files have the same name, which another suffix may tell apart
            continue
        pairs = [(image_of[name], label_of[name]) for name in sorted(image_of) if name in label_of]
        if len(pairs) > len(best[2]):
            best = (image_suffix, label_suffix, pairs)
    if len(best[2]) < FEWEST_PAIRS:
        raise InputError(
            f"{images}: {len(best[2])} images have a label of their name in {labels}: a label is named as "
            "its image (a.jpg, a.png), or all labels with one more ending (a_mask.png)"
        )
    return best


def _common_ending(folder: Path, other: Path) -> str:
    """Return the ending that the stems of all images in a folder share but not in another (``_mask``)."""
    files = find_files(folder, endings_of(""), leave_out=[other])
    ending = os.path.commonprefix([path.stem[::-1] for path in files])[::-1]  # noqa: RUF071  (of characters)
    places = [ending.index(separator) for separator in "_-." if separator in ending]
    return ending[min(places) :] if places and len(files) > 1 else ""


def _values_of(labels: Sequence[Path]) -> Values:
    """Count the values in labels.

    Raises:
        InputError: a label is unreadable, some labels are painted and others hold ids, or there are too many
            values.
    """
    pixels: Counter[int] = Counter()
    images: Counter[int] = Counter()
    palette: dict[int, list[int]] = {}
    first: dict[bool, Path] = {}
    for path in tracked(labels, "reading labels", len(labels)):
        mode, own_palette = _look_at(path)
        colored = mode in COLORED
        first.setdefault(colored, path)
        if len(first) > 1:
            raise InputError(
                f"label {first[True]} is painted in colours, and {first[False]} is an image of ids: give "
                "labels of one kind"
            )
        found, counts = np.unique(
            read_colors(path) if colored else read_ids(path, largest=LARGEST_ID), return_counts=True
        )
        pixels.update(dict(zip(found.tolist(), counts.tolist(), strict=True)))
        images.update(found.tolist())
        if mode == "P":
            palette = {**own_palette, **palette}
        if len(pixels) > MOST_CLASSES + 1:  # one of the values may be ignored
            raise InputError(
                f"labels to {path} hold {len(pixels)} different {'colours' if colored else 'ids'}, more than "
                f"{MOST_CLASSES} classes: soft edges and compression as JPEG make such; give exact labels"
            )
    return Values(pixels, images, True in first, palette)


def _look_at(path: Path) -> tuple[str, dict[int, list[int]]]:
    """Return the mode of a label file and the colours of a palette image; both empty if it is unreadable."""
    try:
        with Image.open(path) as image:
            colors = image.getpalette() if image.mode == "P" else None
            return image.mode, {
                i: colors[3 * i : 3 * i + 3] for i in range(len(colors) // 3)
            } if colors else {}
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return "", {}  # the reader of labels reports the fault


def _splits(
    places: _Places, pairs: Sequence[tuple[Path, Path]], out: Path, seed: int
) -> tuple[list[str], dict[Path, str]]:
    """Return the YAML lines of the splits, and lists: splits are existing subfolders, or else random.

    Raises:
        InputError: a file name cannot be written in a list.
    """
    images, labels = places.images, places.labels
    folders = {
        split: (places(images, images / name), places(labels, labels / name))
        for split, known in SUBFOLDERS.items()
        for name in reversed(known)
        if (images / name).is_dir() and (labels / name).is_dir()
    }
    if {"train", "val"} <= folders.keys():
        return [
            f"  {split}: {{images: {_quoted(image)}, labels: {_quoted(label)}}}"
            for split, (image, label) in folders.items()
        ], {}
    shuffled = list(pairs)
    random.Random(seed).shuffle(shuffled)
    sizes = {split: max(1, round(share * len(pairs))) for split, share in SHARES.items()}
    if sum(sizes.values()) >= len(pairs):
        del sizes["test"]
    lists, lines, begin = {}, [], 0
    for split, size in {"train": len(pairs) - sum(sizes.values()), **sizes}.items():
        path = out.with_name(f"{out.stem}_{split}.txt")
        names = [
            (places(images, image), places(labels, label)) for image, label in shuffled[begin : begin + size]
        ]
        for name in (name for pair in names for name in pair):
            if not name.isprintable():
                raise InputError(f"{name!r} has characters that no list can hold: rename this file")
        lists[path] = "".join(f"{image}\t{label}\n" for image, label in sorted(names))
        lines.append(f"  {split}: {{list: {_quoted(path.name)}}}  # pairs: {size}")
        begin += size
    return lines, lists


def _classes(values: Values, labels: int) -> list[str]:
    """Return the YAML lines of the classes and of the ignored values."""
    ordered = sorted(values.pixels)
    ignored = [IGNORE] if not values.colored and IGNORE in ordered and len(ordered) > 2 else []
    if len(ordered) - len(ignored) > MOST_CLASSES:
        raise InputError(f"labels hold {len(ordered)} ids, more than {MOST_CLASSES} classes: give fewer")
    whole = sum(values.pixels.values())
    lines = ["classes:  # in the order of the network's outputs: share of pixels, and labels with it"]
    if values.colored:
        lines.insert(0, "label_colors: true  # labels are painted: a class is where its color is")
    if not ignored and ordered == [0, IGNORE] and not values.colored:
        lines.insert(
            0, "# Labels hold 0 and 255 alone: 255 is taken for a class here, not for pixels to ignore."
        )
    for number, value in enumerate(value for value in ordered if value not in ignored):
        if values.colored:
            color = [value >> 16, value >> 8 & 255, value & 255]
        else:
            color = values.palette.get(value) or voc_color(number + 1)
        name = f"color_{value:06x}" if values.colored else f"class_{value}"
        parts = [
            f"name: {name}",
            *([] if values.colored else [f"ids: [{value}]"]),
            f"color: {color}",
        ]
        share = f"{values.pixels[value] / whole:.2%}, {values.images[value]} of {labels}"
        lines.append(f"  - {{{', '.join(parts)}}}  # {share}")
    what = "colors" if values.colored else "ids"
    seen = f"{values.pixels[IGNORE] / whole:.2%} of the pixels; " if ignored else ""
    lines.append(f"ignore: {ignored}  # {seen}{what} of pixels that count nowhere")
    return lines
