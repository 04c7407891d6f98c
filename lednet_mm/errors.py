"""The one error class for a user's mistakes, and how a command ends on it."""

from __future__ import annotations

import sys
from collections.abc import Callable


class InputError(Exception):
    """Something the user gave is wrong: a file, a config, an option, a dataset.

    The message is one line that says what is wrong, where, and what to do about it. Commands print it
    without a traceback and exit with status 2.
    """


def describe_error(error: BaseException) -> str:
    """Return an error's class and the first line of its message, as one line."""
    return f"{type(error).__name__}: {(str(error).strip() or 'no message').splitlines()[0]}"


def run_command(main: Callable[[], int | None]) -> None:
    """Run a command's ``main`` and exit the process with its status.

    Args:
        main: returns the exit status; None counts as 0.

    An :class:`InputError` ends the process with one line on stderr and status 2, Ctrl-C with status 130.
    Anything else is a defect of this project and keeps its traceback.
    """
    try:
        status = main()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = 130
    sys.stdout.flush()
    sys.exit(status or 0)
