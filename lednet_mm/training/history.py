"""What a run has gone through: which settings applied to which of its iterations, and its time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any


class Stopwatch:
    """Counts the seconds between ``go_on`` and ``pause``; stands still at first."""

    def __init__(self) -> None:
        self._before = 0.0
        self._since: float | None = None

    def go_on(self) -> None:
        """Count from now on, if it does not already."""
        if self._since is None:
            self._since = time.perf_counter()

    def pause(self) -> None:
        """Stand still."""
        self._before, self._since = self.seconds, None

    @property
    def seconds(self) -> float:
        """The seconds counted so far."""
        return self._before + (0.0 if self._since is None else time.perf_counter() - self._since)


def begin_range(
    ranges: Sequence[Mapping[str, Any]], iteration: int, date: str, applies: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the ranges of a run that begins, or goes on, at an iteration.

    A range is ``{"from": 0, "to": 500, "date": ..., "lr_first": ..., "lr_last": ...}`` and what else applied
    to these iterations. A run that goes on as it was continues its last range.

    Args:
        ranges: what a checkpoint says of the iterations before; empty for one that says nothing.
        iteration: how many are done.
        date: of now.
        applies: seed, length, commit and so on, from now on.
    """
    past = [dict(part) for part in ranges]
    if iteration and not past:
        past.append({"from": 0, "to": iteration, "date": None})  # a checkpoint from before ranges were kept
    if past and all(past[-1].get(key) == value for key, value in applies.items()):
        return past
    return [*past, {"from": iteration, "to": iteration, "date": date, **applies}]


def epochs_of(ranges: Sequence[Mapping[str, Any]], length: int, processes: int) -> float:
    """Return how often a run has gone through its data.

    Args:
        ranges: all iterations of the run.
        length: of an epoch, in iterations of so many processes.
        processes: of the run as it is now; a range may have had more or fewer, each with a batch of its own.
    """
    batches = sum((part["to"] - part["from"]) * part.get("processes", processes) for part in ranges)
    return batches / (length * processes)


def extend_range(part: dict[str, Any], iteration: int, rate: float) -> None:
    """Add an iteration, which has this number when it is done, and its learning rate to a range."""
    part["to"] = iteration
    part.setdefault("lr_first", rate)
    part["lr_last"] = rate
