"""The error class for all mistakes of users, and how commands end with an error."""

from __future__ import annotations

import difflib
import errno
import os
import sys
from collections.abc import Callable, Iterable

from lednet_mm.text import one_line

ADVICE = {
    errno.ENOSPC: "free some space there, or choose another place",
    errno.EDQUOT: "free some space there, or choose another place",
    errno.EROFS: "choose a place that can be written",
    errno.EACCES: "choose another place, or change its permissions",
    errno.EPERM: "choose another place, or change its permissions",
    errno.ENOTDIR: "a file stands where a folder is needed: choose another place",
    errno.EEXIST: "a file stands where a folder is needed: choose another place",
    errno.EISDIR: "a folder stands where a file is needed: choose another name",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ELOOP: "its symbolic links lead in a circle: remove one of them",
}
"""Advice to the user about errors of the operating system, by error number."""


class InputError(Exception):
    """An error in something that the user gave: a file, a config, an option or a dataset.

    The message is one line that says what is wrong, where, and what to do about it. Commands print it
    without a traceback and exit with status 2.
    """


def describe_error(error: BaseException) -> str:
    """Return an error's class and the first line of its message as one line."""
    return f"{type(error).__name__}: {one_line((str(error).strip() or 'no message').splitlines()[0])}"


def describe_os_error(error: OSError) -> str:
    """Return an error of the operating system as one line: the path, the reason, and what to do."""
    path = error.filename if error.filename is not None else error.filename2
    where = f"{os.fsdecode(path)}: " if isinstance(path, (str, bytes)) else ""
    reason = error.strerror or str(error) or type(error).__name__
    advice = ADVICE.get(error.errno or 0)
    return f"{where}{reason}{f'; {advice}' if advice else ''}"


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean ...?`` with the known names that resemble one, or nothing."""
    close = difflib.get_close_matches(name, list(known), 3, cutoff=0.6)
    return f"; did you mean {' or '.join(close)}?" if close else ""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error of Python, NumPy, OpenCV or PyTorch means that there is not enough memory."""
    text = str(error)
    return (
        isinstance(error, MemoryError)
        or "OutOfMemory" in type(error).__name__
        or (isinstance(error, RuntimeError) and ("can't allocate memory" in text or "out of memory" in text))
        or (type(error).__name__ == "error" and "Insufficient memory" in text)
    )


def run_command(main: Callable[[], int | None]) -> None:
    """Run a command's ``main`` and exit the process with its status.

    An :class:`InputError`, an error of the operating system (such as a full disk) and a lack of memory end
    the process with one line on stderr and status 2; Ctrl-C ends it with status 130. If the reader of the
    output has gone (``| head``), the status is 141, as in the shell. Any other exception is a defect of this
    project and keeps its traceback.

    Args:
        main: function that returns the exit status, where None means 0.
    """
    try:
        status = main()
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:
        status = _status_of(error)
    sys.exit(status or 0)


def _status_of(error: BaseException) -> int:
    """Print in one line what has ended a command and return its exit status; raise it if it is a defect."""
    if _was_interrupted(error):
        print("interrupted", file=sys.stderr)
        return 130
    if isinstance(error, InputError):
        return _fail(str(error))
    if isinstance(error, BrokenPipeError):
        # Otherwise the interpreter's last flush fails.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    if isinstance(error, OSError):
        return _fail(describe_os_error(error))
    if is_out_of_memory(error):
        return _fail(
            f"not enough memory ({describe_error(error)}): use smaller images, fewer images per batch, "
            "or close other programs"
        )
    raise error


def _was_interrupted(error: BaseException) -> bool:
    """Return whether Ctrl-C is the error or its cause, since a library may raise another error instead."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, KeyboardInterrupt):
        seen = seen.__cause__ or seen.__context__
    return seen is not None


def _fail(message: str) -> int:
    sys.stdout.flush()
    print(f"error: {one_line(message)}", file=sys.stderr)
    return 2
