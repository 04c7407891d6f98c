"""The images that belong together: the sequence and the number of each frame, from the names of files.

Frames of a video resemble their neighbours and so are not independent; intervals must know which images are
frames of one video. This module does not need PyTorch, as reports use it for older records.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

SEQUENCES: Mapping[str, re.Pattern[str] | None] = {
    # Four drives, filmed at 30 frames per second; the two drives of the test split have one image per second.
    "CamVidDataset": re.compile(r"(0001TP|0006R0|0016E5|Seq05VD)_f?(\d+)\.\w+$"),
    # The city, then the number of the drive and the number of the frame in it.
    "Cityscapes": re.compile(r"([A-Za-z-]+)_(\d{6}_\d{6})_\w+\.\w+$"),
    "StreetsDataset": None,  # each scene is drawn independently
}
"""Class of a dataset -> pattern of sequence and frame in an image's name; None if images are independent."""


def find_frame(pattern: re.Pattern[str], path: str) -> tuple[str, int] | None:
    """Return the sequence and frame of an image.

    Args:
        pattern: pattern with two groups, for the sequence and the number (digits, with underscores between).
        path: path or name of the image.

    Returns:
        The sequence and frame; None if the pattern does not match, so the image is a sequence of its own.
    """
    found = pattern.search(path)
    return (found[1], int(found[2].replace("_", ""))) if found else None


def recorded_frames(dataset: Any, names: Sequence[str]) -> dict[str, Any]:
    """Return the part of an accuracy record that describes the dataset's sequences.

    Args:
        dataset: dataset of this project, or any other, which does not know its sequences.
        names: names of the images, in the dataset's order.

    Returns:
        ``per_image_frames``: sequence and frame of each image, or an empty list if every image is a sequence
        of its own. Nothing if the dataset does not know its sequences or has another number of images.
    """
    if not hasattr(dataset, "sequence_and_frame") or len(dataset) != len(names):
        return {}
    frames = [dataset.sequence_and_frame(index) for index in range(len(names))]
    if len({sequence for sequence, _ in frames}) == len(frames):
        return {"per_image_frames": []}
    return {"per_image_frames": [list(frame) for frame in frames]}


def frames_of_names(config: str, names: Sequence[str]) -> tuple[tuple[str, int], ...] | None:
    """Return the frames of an older record, which has file names only.

    Args:
        config: text of the record's config, which decides if it names one of this project's datasets.
        names: names of the images.

    Returns:
        Sequence and frame of each image; None if nothing is known about sequences.
    """
    kinds = [kind for kind in SEQUENCES if f"'type': '{kind}'" in config]
    if len(kinds) != 1:
        return None
    return _frames_of_kind(kinds[0], tuple(names))


@lru_cache(maxsize=16)  # the records of a study name the same images
def _frames_of_kind(kind: str, names: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    pattern = SEQUENCES[kind]
    found = [pattern and find_frame(pattern, name) for name in names]
    return tuple(frame or (f"image {i}", 0) for i, frame in enumerate(found))
