"""Apply a function to many records in several processes, as reading and resampling hold the interpreter."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_function: Callable[[Any], Any] | None = None
"""The function of :func:`map_in_processes`, which a forked process finds here and need not receive."""


def map_in_processes(
    function: Callable[[Item], Result], items: Sequence[Item], *, least: int = 200, chunk: int = 16
) -> Iterator[Result]:
    """Yield the results of a function in the order of its arguments, with one process per core.

    Args:
        function: any function, also one that refers to large objects, as the processes are forked. What it
            changes stays in its process.
        items: its arguments, which are sent to the processes.
        least: the least number of items for which processes are started, as starting them takes as long as
            computing some items.
        chunk: number of items that a process takes at a time.

    Raises:
        Exception: whatever the function raises.
    """
    workers = os.cpu_count() or 1
    if workers == 1 or len(items) < least or "fork" not in multiprocessing.get_all_start_methods():
        yield from map(function, items)
        return
    global _function
    _function = function
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("fork"), _leave_interrupts_to_parent)
    try:
        yield from pool.map(_apply, items, chunksize=chunk)
    finally:
        pool.shutdown(cancel_futures=True)
        _function = None


def _leave_interrupts_to_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _apply(item: Any) -> Any:
    assert _function is not None
    return _function(item)
