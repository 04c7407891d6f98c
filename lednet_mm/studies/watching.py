"""Watch a training by its folder: the time since it last made progress, and its validation results."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from lednet_mm.files import FolderLock, read_regular


class Watch:
    """Checks a run's folder repeatedly, and returns the time for which nothing in it has changed.

    Progress is any change of the entries of the run's folder: a longer log, a new or changed checkpoint, or a
    new folder. Times come from this process's clock, as the clocks of other machines may differ.

    Args:
        folder: folder of the run; it need not exist yet.
        clock: function that returns seconds.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.folder = folder
        self.clock = clock
        self._seen = self._entries()
        self._since = clock()

    def quiet_seconds(self) -> float:
        """Check the folder; return the seconds since it was first seen in its present state."""
        entries = self._entries()
        if entries != self._seen:
            self._seen, self._since = entries, self.clock()
        return self.clock() - self._since

    def _entries(self) -> set[tuple[str, int, int]]:
        """Return name, size and modification time of every entry; nothing if the folder is unreadable."""
        found = set()
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    if entry.name == FolderLock.NAME:
                        continue
                    try:
                        status = entry.stat()
                    except OSError:  # removed in the meantime
                        continue
                    found.add((entry.name, status.st_size, status.st_mtime_ns))
        except OSError:
            pass
        return found


LARGEST_LOG = 64 << 20
"""The largest part of mmengine's log that is read for a curve, in bytes."""


def read_curve(folder: Path) -> list[tuple[int, float]]:
    """Read the validation results of a run that is still training from mmengine's logs.

    Args:
        folder: folder of the run.

    Returns:
        (iteration, mIoU in percent) of each validation, in the order of iterations. If a resumed run has
        validated an iteration twice, only the last result counts.
    """
    points: dict[int, float] = {}
    for path in sorted(folder.glob("*/vis_data/scalars.json")):
        try:
            lines = read_regular(path, LARGEST_LOG).splitlines()
        except (OSError, ValueError):
            continue
        for line in lines:
            if b'"mIoU"' not in line:
                continue
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # this line is still being written
            if isinstance(entry, dict) and isinstance(entry.get("step"), int):
                miou = entry.get("mIoU")
                if isinstance(miou, (int, float)):
                    points[entry["step"]] = float(miou)
    return sorted(points.items())
