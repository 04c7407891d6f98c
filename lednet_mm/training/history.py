"""The history of a run: which settings applied to which of its iterations, and how long they took."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any


class Stopwatch:
    """Counts the seconds between ``go_on`` and ``pause``; it starts paused."""

    def __init__(self) -> None:
        self._before = 0.0
        self._since: float | None = None

    def go_on(self) -> None:
        """Start counting, unless it is counting already."""
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
    """Return the ranges of a run that begins or continues at an iteration.

    A range is ``{"from": 0, "to": 500, "date": ..., "lr_first": ..., "lr_last": ...}`` with everything else
    that applied to these iterations. A run that continues with unchanged settings extends its last range.

    Args:
        ranges: the ranges in the checkpoint; empty for a checkpoint that has none.
        iteration: number of iterations done.
        date: the current date.
        applies: seed, length, commit and other settings that apply from now on.
    """
    past = [dict(part) for part in ranges]
    if iteration and not past:
        past.append({"from": 0, "to": iteration, "date": None})  # an old checkpoint, without ranges
    if past and all(past[-1].get(key) == value for key, value in applies.items()):
        return past
    return [*past, {"from": iteration, "to": iteration, "date": date, **applies}]


def epochs_of(ranges: Sequence[Mapping[str, Any]], length: int, processes: int) -> float:
    """Return how often a run has gone through its data, in epochs.

    Args:
        ranges: the ranges of all iterations of the run.
        length: length of an epoch, in iterations of ``processes`` processes.
        processes: present number of processes; a range may have had another number, each with its own batch.
    """
    batches = sum((part["to"] - part["from"]) * part.get("processes", processes) for part in ranges)
    return batches / (length * processes)


def extend_range(part: dict[str, Any], iteration: int, rate: float) -> None:
    """Extend a range by an iteration, given by its number once it is done, and its learning rate."""
    part["to"] = iteration
    part.setdefault("lr_first", rate)
    part["lr_last"] = rate
