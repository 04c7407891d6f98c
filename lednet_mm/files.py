"""Find files in folders, check outputs before the work begins, write files atomically, and lock folders.

A user's files are never lost: a file is written beside its place and then moved there, a target that is an
input too is refused, and a file of somebody else is replaced only if the user asks for it.
"""

from __future__ import annotations

import datetime
import errno
import fcntl
import hashlib
import json
import os
import socket
import stat
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from lednet_mm.errors import InputError, describe_os_error

PART = ".part"
"""The ending of the name of a file that is being written."""


def find_files(
    folder: str | Path, endings: str | tuple[str, ...] = "", *, leave_out: Iterable[str | Path] = ()
) -> list[Path]:
    """Return the regular files below a folder, sorted.

    Symbolic links are followed, but each real folder is entered only once, so that circular links do no harm.
    Files and folders whose names begin with a dot are left out.

    Args:
        folder: folder to search.
        endings: endings of the file names in any letter case (``.png``, ``_leftImg8bit.png``); empty means
            all files.
        leave_out: folders that are not entered, such as the one where the output goes.

    Raises:
        OSError: a folder cannot be read.
    """
    endings = (endings,) if isinstance(endings, str) else endings
    wanted = tuple(ending.lower() for ending in endings)
    seen = {_identity(Path(path)) for path in leave_out if Path(path).exists()}
    found: list[Path] = []
    waiting = [Path(folder)]
    while waiting:
        place = waiting.pop()
        if (identity := _identity(place)) in seen:
            continue
        seen.add(identity)
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                try:
                    if entry.is_dir():
                        waiting.append(place / entry.name)
                    elif entry.name.lower().endswith(wanted) and entry.is_file():
                        found.append(place / entry.name)
                except OSError:  # a circular or broken link
                    continue
    return sorted(found, key=lambda path: path.parts)  # as paths are sorted, but faster


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def check_outputs(
    targets: Iterable[str | Path], inputs: Iterable[str | Path] = (), *, overwrite: bool = False
) -> None:
    """Check the files that a command is going to write before it begins its work.

    Args:
        targets: the files that will be written.
        inputs: the files that are read; none of them may be a target, even with ``overwrite``.
        overwrite: whether existing files may be replaced.

    Raises:
        InputError: two targets are the same file, a target is an input, a folder or an existing file, or its
            folder cannot be written.
    """
    read = {Path(path).resolve() for path in inputs}
    planned: set[Path] = set()
    folders: set[Path] = set()
    for target in map(Path, targets):
        if not target.name:
            raise InputError(f"{str(target)!r} is not a file name: name the file that is to be written")
        place = target.resolve()
        if place in read:
            raise InputError(f"{target} is itself an input of this command: choose another place to write to")
        if place in planned:
            raise InputError(
                f"{target} would be written twice, for two inputs that differ in their ending or letter case "
                "alone: give them different names, or treat them one after the other"
            )
        planned.add(place)
        if target.is_dir():
            raise InputError(f"{target} is a folder: name the file that is to be written")
        if target.exists() and not overwrite:
            raise InputError(f"{target} exists already: --overwrite replaces it, or choose another place")
        folders.add(target.parent)
    for folder in sorted(folders):
        require_writable(folder)


def require_writable(folder: str | Path) -> None:
    """Create a folder and check that files can be written there.

    Raises:
        InputError: the folder cannot be created or written to.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"\0")
    except OSError as error:
        reason = OSError(error.errno, error.strerror, str(folder))
        raise InputError(f"cannot write to {describe_os_error(reason)}") from None


def write_atomically(path: str | Path, data: bytes) -> None:
    """Write a file so that a reader, or a crash, never sees a part of it.

    Raises:
        OSError: the file cannot be written; the error has its path, nothing is left behind, and an existing
            file is unchanged.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        # An unpredictable name, so that nobody can place a symbolic link there.
        number, part = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=PART)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(part).chmod(permissions(path))
            Path(part).replace(path)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise
    except OSError as error:
        if error.errno is not None:
            error.filename, error.filename2 = str(path), None  # instead of the temporary file's name
        raise


def permissions(path: Path) -> int:
    """Return the permissions of the file at a path, or those that a new file gets."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def write_output(path: str | Path, data: bytes, *, overwrite: bool = False) -> bool:
    """Write a file that a user asked for, unless it already has this content.

    Returns:
        Whether the file is new or its content has changed.

    Raises:
        InputError: the file exists with other content, and ``overwrite`` is not set.
        OSError: the file cannot be written.
    """
    path = Path(path)
    if path.is_file() and path.read_bytes() == data:
        return False
    check_outputs([path], overwrite=overwrite)
    write_atomically(path, data)
    return True


def read_regular(path: str | Path, limit: int) -> bytes:
    """Read a regular file of a bounded size.

    Args:
        path: path of the file; pipes and devices are refused, because reading them could block forever.
        limit: the largest number of bytes.

    Raises:
        ValueError: the file is not regular or too large; the message is one line without the path.
        OSError: the file cannot be read.
    """
    # Without O_NONBLOCK, opening a pipe waits until somebody writes to it.
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("not a regular file")
        if status.st_size > limit:
            raise ValueError(f"larger than {limit / 2**20:g} MiB")
    except BaseException:
        os.close(number)  # fdopen refuses a folder and leaves its descriptor open
        raise
    with os.fdopen(number, "rb") as file:
        return file.read(limit + 1)


def file_sha256(path: str | Path) -> str:
    """Return the sha256 of a file's content."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


class FolderLock:
    """A lock on a folder, which allows one process at a time to work in it.

    Use it as ``with FolderLock.take(folder) as lock``; it also works between machines that share a file
    system. The kernel ties the lock to the open file and releases it when the last process that has the file
    open ends, in whatever way, so there are no stale locks. A forked child (of a data loader) closes the
    file, since it may outlive its parent. A program that is started with ``fd`` among its ``pass_fds`` keeps
    the folder locked if its parent dies first. The host and process written to the file only tell people who
    holds the lock.
    """

    NAME = "lock"
    BEGIN = b'{"host": '
    """The first bytes of a lock file that is not empty; they identify it even if the rest could not be
    written."""

    _held: ClassVar[set[int]] = set()
    """The lock files that are open in this process."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._held.add(fd)

    @classmethod
    def take(cls, folder: str | Path) -> FolderLock | None:
        """Take the lock without waiting; None if another process holds it.

        Raises:
            InputError: something that is not a lock has its name: a link, another kind of file, or other
                content.
        """
        Path(folder).mkdir(parents=True, exist_ok=True)
        path = Path(folder) / cls.NAME
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            fd = os.open(path, flags, 0o644)
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
                raise
            raise cls._refusal(path) from None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            regular = stat.S_ISREG(os.fstat(fd).st_mode)
            begin = os.pread(fd, len(cls.BEGIN), 0) if regular else b""
            if not regular or (begin and begin != cls.BEGIN):
                raise cls._refusal(path)
        except BlockingIOError:
            os.close(fd)
            return None
        except BaseException:
            os.close(fd)
            raise
        since = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        holder = {"host": socket.gethostname(), "pid": os.getpid(), "since": since}
        with suppress(OSError):  # on a full disk the lock still holds; the text is only for people
            os.ftruncate(fd, 0)
            os.pwrite(fd, json.dumps(holder).encode(), 0)
        return cls(fd)

    @staticmethod
    def _refusal(path: Path) -> InputError:
        return InputError(
            f"{path} is not a lock of this project, which needs a file of this name there: move it away, or "
            "choose another folder"
        )

    def __enter__(self) -> FolderLock:
        return self

    def __exit__(self, *error: object) -> None:
        self._held.discard(self.fd)
        os.close(self.fd)

    @classmethod
    def _leave_to_parent(cls) -> None:
        for fd in cls._held:
            os.close(fd)
        cls._held.clear()


os.register_at_fork(after_in_child=FolderLock._leave_to_parent)


def is_locked(folder: str | Path) -> bool:
    """Return whether a process holds a folder's lock now, without changing anything in the folder."""
    try:
        fd = os.open(Path(folder) / FolderLock.NAME, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def holder_of(folder: str | Path) -> str:
    """Return who holds a folder's lock, in words."""
    try:
        holder = json.loads((Path(folder) / FolderLock.NAME).read_text())
        return f"process {holder['pid']} on {holder['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
