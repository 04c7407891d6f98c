"""One process at a time in a run's folder, across sweeps and machines that share a file system."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from pathlib import Path

from lednet_mm.records import now


class FolderLock:
    """A lock on a folder: ``with FolderLock.take(folder) as lock``.

    The kernel holds it for the open file, so it is gone with the last process that has the file open, however
    that process ended: there are no stale locks. A child that inherits ``fd`` keeps the folder locked when
    its parent dies first. Host and process in the file only tell people who holds it.
    """

    NAME = "lock"

    def __init__(self, fd: int) -> None:
        self.fd = fd

    @classmethod
    def take(cls, folder: Path) -> FolderLock | None:
        """Take the lock without waiting; None if another process holds it."""
        folder.mkdir(parents=True, exist_ok=True)
        fd = os.open(folder / cls.NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        holder = {"host": socket.gethostname(), "pid": os.getpid(), "since": now()}
        os.ftruncate(fd, 0)
        os.pwrite(fd, json.dumps(holder).encode(), 0)
        return cls(fd)

    def __enter__(self) -> FolderLock:
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self.fd)


def holder_of(folder: Path) -> str:
    """Return who holds a folder's lock, in words."""
    try:
        holder = json.loads((folder / FolderLock.NAME).read_text())
        return f"process {holder['pid']} on {holder['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
