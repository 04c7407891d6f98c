"""Print tables, progress and messages, without interpreting markup in text from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn, TypeVar

from rich.console import Console
from rich.progress import track

from lednet_mm.text import for_markup

Item = TypeVar("Item")

WIDE = 10_000
"""The width in characters of outputs that are not terminals: files and pipes have room for every column."""


class _Console(Console):
    """rich's console, which raises an error instead of exiting when its reader has gone."""

    def on_broken_pipe(self) -> NoReturn:
        """Raise the BrokenPipeError that rich would turn into an exit with status 1."""
        raise BrokenPipeError


def make_console(*, stderr: bool = False) -> Console:
    """Return a console that prints text as it is, without interpreting brackets, colons and numbers.

    Styles come from ``rich.text.Text`` or a ``style`` argument. If the output is not a terminal, tables are
    as wide as their content, so that nothing is cut. If the reader has gone (``| head``), printing raises a
    BrokenPipeError, as ``print`` does.
    """
    console = _Console(stderr=stderr, markup=False, emoji=False, highlight=False)
    if not console.file.isatty():  # with FORCE_COLOR, rich takes a log file for a terminal
        console.width = WIDE
    return console


def tracked(items: Iterable[Item], description: str, total: int | None = None) -> Iterable[Item]:
    """Iterate over items with a progress bar and the remaining time on stderr, if that is a terminal.

    Args:
        items: the items to iterate over.
        description: description of the work, shown beside the bar.
        total: number of items; None means ``len(items)``.
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
