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

LEAST = 200
"""The least number of items for which processes are started; fewer take less time than starting them."""

CHUNK = 16
"""The number of items that a process takes at a time."""

_function: Callable[[Any], Any] | None = None
"""The function of :func:`map_in_processes`, which a forked process finds here and need not receive."""


def map_in_processes(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Yield the results of a function in the order of its arguments, with one process per core.

    Args:
        function: any function, also one that refers to large objects, as the processes are forked. What it
            changes stays in its process.
        items: its arguments, which are sent to the processes.

    Raises:
        Exception: whatever the function raises.
    """
    workers = os.cpu_count() or 1
    if workers == 1 or len(items) < LEAST or "fork" not in multiprocessing.get_all_start_methods():
        yield from map(function, items)
        return
    global _function
    _function = function
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("fork"), _leave_interrupts_to_parent)
    try:
        yield from pool.map(_apply, items, chunksize=CHUNK)
    finally:
        pool.shutdown(cancel_futures=True)
        _function = None


def _leave_interrupts_to_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _apply(item: Any) -> Any:
    assert _function is not None
    return _function(item)
