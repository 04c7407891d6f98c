"""What a run's folder tells while it trains: how long it has made no progress, and how well it does."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from lednet_mm.files import FolderLock, read_regular


class Watch:
    """Looks at a run's folder again and again, and tells how long nothing new has come into it.

    Progress is a longer log, a new or changed checkpoint, or a folder that is new: anything that changes
    among the entries of the run's folder itself. Times are taken from this process's own clock, as the
    clocks of other machines may differ.

    Args:
        folder: of the run; it need not exist yet.
        clock: returns seconds.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.folder = folder
        self.clock = clock
        self._seen = self._entries()
        self._since = clock()

    def quiet_seconds(self) -> float:
        """Look at the folder; return the seconds since the first look that found it as it is now."""
        entries = self._entries()
        if entries != self._seen:
            self._seen, self._since = entries, self.clock()
        return self.clock() - self._since

    def _entries(self) -> set[tuple[str, int, int]]:
        """Return name, size and time of change of every entry; nothing where the folder cannot be read."""
        found = set()
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    if entry.name == FolderLock.NAME:
                        continue
                    try:
                        status = entry.stat()
                    except OSError:  # removed meanwhile
                        continue
                    found.add((entry.name, status.st_size, status.st_mtime_ns))
        except OSError:
            pass
        return found


LARGEST_LOG = 64 << 20
"""The largest number of bytes of mmengine's log that is read for a curve."""


def read_curve(folder: Path) -> list[tuple[int, float]]:
    """Read the validations of a run that is still training from mmengine's logs.

    Args:
        folder: of the run.

    Returns:
        (iteration, mIoU in percent) of each validation in the order of the iterations; of an iteration that
        was validated twice, after a resume, the last one.
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
                continue  # being written
            if isinstance(entry, dict) and isinstance(entry.get("step"), int):
                miou = entry.get("mIoU")
                if isinstance(miou, (int, float)):
                    points[entry["step"]] = float(miou)
    return sorted(points.items())
