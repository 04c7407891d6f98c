"""How long a run has made no progress, as its folder tells."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from lednet_mm.files import FolderLock


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
