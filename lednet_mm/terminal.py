"""What commands print: tables that a log keeps whole, progress, and no markup from others' text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn, TypeVar

from rich.console import Console
from rich.progress import track

from lednet_mm.text import for_markup

Item = TypeVar("Item")

WIDE = 10_000
"""The width in characters of an output that is no terminal: a file or pipe has room for every column."""


class _Console(Console):
    """rich's console, which leaves it to the command what the end of its reader means."""

    def on_broken_pipe(self) -> NoReturn:
        """Raise what rich would turn into an exit with status 1."""
        raise BrokenPipeError


def make_console(*, stderr: bool = False) -> Console:
    """Return a console that prints text as it is: brackets, colons and numbers have no meaning.

    Styles come from ``rich.text.Text`` or a ``style`` argument. Where the output is no terminal, tables are
    as wide as their content, so that nothing in them is cut.
    A reader that has gone (``| head``) is a BrokenPipeError, as it is in ``print``.
    """
    console = _Console(stderr=stderr, markup=False, emoji=False, highlight=False)
    if not console.file.isatty():  # FORCE_COLOR makes rich take a log for a terminal
        console.width = WIDE
    return console


def tracked(items: Iterable[Item], description: str, total: int | None = None) -> Iterable[Item]:
    """Go through items with a progress bar and the time left on stderr, if that is a terminal.

    Args:
        items: what to go through.
        description: what is done with them.
        total: how many there are; None takes ``len(items)``.
    """
    console = make_console(stderr=True)
    return track(
        items,
        for_markup(description),
        total,
        console=console,
        transient=True,
        disable=not console.file.isatty(),
    )
