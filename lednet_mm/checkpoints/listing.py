"""Find the checkpoints of a training in a folder by their names."""

from __future__ import annotations

import re
from pathlib import Path


def checkpoints_of(work_dir: str | Path) -> list[Path]:
    """Return the training checkpoints in a work folder, the latest (with the highest number) first.

    They are recognised by their names and not opened; anything but regular files is left out.
    """
    found = []
    for path in Path(work_dir).glob("*_*.pth"):
        if (number := number_of(path)) is not None and path.is_file():
            found.append((number, path))
    return [path for _, path in sorted(found, reverse=True)]


def number_of(path: Path) -> int | None:
    """Return the iteration or epoch in the name of a training checkpoint; None for any other name."""
    step = re.fullmatch(r"(?:iter|epoch)_([0-9]+)\.pth", path.name)
    return int(step[1]) if step else None
