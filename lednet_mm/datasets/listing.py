"""Find the images of a dataset and the label of each, by folders or by a list."""

from __future__ import annotations

from pathlib import Path

from lednet_mm.datasets.file_kinds import IMAGE_ENDINGS
from lednet_mm.errors import InputError
from lednet_mm.files import find_files, read_regular
from lednet_mm.text import one_line

Endings = str | tuple[str, ...]
"""Endings of file names (``.png``, ``_leftImg8bit.png``), compared without regard to case."""

LARGEST_LIST = 64 << 20
"""The largest list in bytes that is read, which has about half a million pairs."""


def endings_of(suffix: str) -> tuple[str, ...]:
    """Return the endings of image files of any format whose stem ends with ``suffix``.

    A suffix that includes the ending of a format (``.jpg``, ``_mask.png``) stands for that format alone.
    """
    if suffix.lower().endswith(IMAGE_ENDINGS):
        return (suffix,)
    return tuple(f"{suffix}{ending}" for ending in IMAGE_ENDINGS)


def first_of(endings: Endings) -> str:
    """Return the ending that the name of a missing file is given in messages."""
    return endings if isinstance(endings, str) else endings[0]


def without_ending(name: str, endings: Endings) -> str:
    """Return a file's name without its ending, or unchanged if it has none of the endings."""
    known = (endings,) if isinstance(endings, str) else endings
    return next((name[: -len(end)] for end in known if end and name.lower().endswith(end.lower())), name)


def files_by_name(folder: str | Path, endings: Endings) -> dict[str, Path]:
    """Return the files below a folder that have one of the endings, by their path there without the ending.

    Raises:
        InputError: two files have the same name apart from the format or case of their ending.
        OSError: the folder cannot be read.
    """
    found: dict[str, Path] = {}
    for path in find_files(folder, endings):
        name = without_ending(path.relative_to(folder).as_posix(), endings)
        if name in found:
            raise InputError(
                f"{found[name]} and {path} differ in format or letter case of their ending "
                "alone: rename or remove one"
            )
        found[name] = path
    return found


def paired_files(
    images: str | Path, image_endings: Endings, labels: str | Path, label_endings: Endings
) -> tuple[dict[str, Path], dict[str, Path]]:
    """Return the images and the labels of two folders by name; the two files of a pair have the same name.

    Both folders may be the same, or one may be inside the other. A file that could then be both is taken for
    the kind that gives it the shorter name, because the longer ending or the nearer folder describes it more
    closely.

    Raises:
        InputError: two images or two labels have the same name.
        OSError: a folder cannot be read.
    """
    image_of, label_of = files_by_name(images, image_endings), files_by_name(labels, label_endings)
    image_names = {path: name for name, path in image_of.items()}
    for name, path in list(label_of.items()):
        if path in image_names:
            if len(name) < len(image_names[path]):
                del image_of[image_names[path]]
            else:
                del label_of[name]
    return image_of, label_of


def read_names(path: str | Path, endings: Endings) -> list[str]:
    """Read a list of images: one name per line, with or without the ending; empty lines are skipped.

    Raises:
        InputError: the list cannot be read or is empty, or a name leads out of the dataset's folder.
    """
    return [without_ending(_within(path, name), endings) for _, name in _lines(path)]


def read_pairs(path: str | Path) -> list[tuple[str, str]]:
    """Read a list of pairs: one image and its label per line, separated by a tab or by spaces.

    If a line has a tab, it separates the two paths, which may then contain spaces; empty lines are skipped.

    Raises:
        InputError: the list cannot be read or is empty, or a line is not a pair of paths in the dataset's
            folder.
    """
    pairs = []
    for number, line in _lines(path):
        parts = [part.strip() for part in (line.split("\t") if "\t" in line else line.split())]
        if len(parts) != 2 or not all(parts):
            raise InputError(
                f"list of images {path}, line {number}: {one_line(line)[:200]!r} is no pair: give the paths "
                "of image and label, separated by a tab or a space"
            )
        pairs.append((_within(path, parts[0]), _within(path, parts[1])))
    return pairs


def _lines(path: str | Path) -> list[tuple[int, str]]:
    """Return the lines of a list that are not empty, with their line numbers from 1.

    Raises:
        InputError: the list cannot be read or has no such line.
    """
    try:
        text = read_regular(path, LARGEST_LIST).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError(f"list of images {path} cannot be read: {error}") from None
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise InputError(f"list of images {path} is empty: give one name per line")
    return lines


def _within(path: str | Path, name: str) -> str:
    """Return a path from a list, if it does not lead out of the dataset's folder."""
    if Path(name).is_absolute() or ".." in Path(name).parts or "\0" in name:
        raise InputError(
            f"list of images {path}: {one_line(name)} leads out of the dataset's folder: give paths below it"
        )
    return name
