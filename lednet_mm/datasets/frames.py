"""Which images belong together: the sequence and the number of each frame, from the names of files.

Frames of a video resemble their neighbours and so are no independent draws; intervals must know which they
are. This module needs no PyTorch, as reports ask it about older records.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

SEQUENCES: Mapping[str, re.Pattern[str] | None] = {
    # Four drives, filmed at 30 frames a second; of the test split's two there is one image a second.
    "CamVidDataset": re.compile(r"(0001TP|0006R0|0016E5|Seq05VD)_f?(\d+)\.\w+$"),
    # City, then number of the drive and number of the frame in it.
    "Cityscapes": re.compile(r"([A-Za-z-]+)_(\d{6}_\d{6})_\w+\.\w+$"),
    "StreetsDataset": None,  # each scene is drawn anew
}
"""Class of a dataset -> what finds sequence and frame in the name of an image; None where each is single."""


def find_frame(pattern: re.Pattern[str], path: str) -> tuple[str, int] | None:
    """Return sequence and frame of an image.

    Args:
        pattern: with two groups: the sequence, and the number, of digits that underscores may join.
        path: or name of the image.

    Returns:
        None where the pattern does not fit: the image then is a sequence of its own.
    """
    found = pattern.search(path)
    return (found[1], int(found[2].replace("_", ""))) if found else None


def recorded_frames(dataset: Any, names: Sequence[str]) -> dict[str, Any]:
    """Return what an accuracy record keeps of a dataset's sequences.

    Args:
        dataset: a dataset of this project, or any other, which says nothing of sequences.
        names: of the images, in the dataset's order.

    Returns:
        ``per_image_frames``: sequence and frame of each image, empty where every image is a sequence of its
        own. Nothing where the dataset does not say, or has another number of images.
    """
    if not hasattr(dataset, "sequence_and_frame") or len(dataset) != len(names):
        return {}
    frames = [dataset.sequence_and_frame(index) for index in range(len(names))]
    if len({sequence for sequence, _ in frames}) == len(frames):
        return {"per_image_frames": []}
    return {"per_image_frames": [list(frame) for frame in frames]}


def frames_of_names(config: str, names: Sequence[str]) -> list[tuple[str, int]] | None:
    """Return the frames of an older record, which keeps names only.

    Args:
        config: the record's, as text; where it leaves no doubt about the dataset's class, that decides.
        names: of the images.

    Returns:
        None where nothing is known of sequences.
    """
    kinds = [kind for kind in SEQUENCES if f"'type': '{kind}'" in config]
    if len(kinds) != 1:
        return None
    pattern = SEQUENCES[kinds[0]]
    found = [pattern and find_frame(pattern, name) for name in names]
    return [frame or (f"image {i}", 0) for i, frame in enumerate(found)]
