"""Latency by one protocol: warmed up, synchronised, interleaved, medians and how far they can be trusted.

Every sample is one call with the input already on the device, host and device synchronised around it. All
rows are timed in rounds of random order, so that a drift of the machine hits all alike; the garbage
collector is off meanwhile. Rounds are taken in blocks: a block during which other processes had a notable
share of the machine is taken again, and rounds go on while a row's median is not yet settled, both up to a
limit. What is then still unsettled is marked unstable, with the reason.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Generic, TypeVar

import numpy as np
from scipy import stats

UNSTABLE = 0.05
"""Share of the median within which two runs are meant to agree: see :func:`instability_reasons`."""

BUSY_ELSEWHERE = 0.05
"""A block in which other processes used more than this share of the cores is taken again."""

BLOCK_SECONDS = 0.5  # at most; a kernel counts busy time in hundredths of seconds
BATCHES = 10

Name = TypeVar("Name", bound=Hashable)


def median_interval(samples: np.ndarray) -> tuple[float, float]:
    """Return a 95% interval of the median from order statistics.

    How many samples lie below the median is binomial, whatever their distribution.

    Args:
        samples: (n,) values; NaN for fewer than 6, of which no two hold the median at 95%.
    """
    ordered = np.sort(np.asarray(samples, dtype=np.float64))
    below = int(stats.binom.ppf(0.025, len(ordered), 0.5)) if len(ordered) else 0
    if below < 1:
        return float("nan"), float("nan")
    return float(ordered[below - 1]), float(ordered[len(ordered) - below])


def drift_interval(samples: np.ndarray) -> float:
    """Return the half width of a 95% interval of the median that samples in sequence do not shrink.

    Times taken one after another resemble each other (the machine's clock, its other tenants), so the order
    statistics of all samples promise too much. The medians of ten parts of the sequence vary with the drift
    too; the interval is Student's over them.

    Args:
        samples: (n,) values in the order taken; infinite for fewer than four.
    """
    parts = min(BATCHES, len(samples) // 2)
    if parts < 2:
        return float("inf")
    medians = [np.median(part) for part in np.array_split(samples, parts)]
    return float(stats.t.ppf(0.975, parts - 1) * np.std(medians, ddof=1) / np.sqrt(parts))


def wider_interval(samples: np.ndarray) -> tuple[float, float]:
    """Return the wider of the median's two 95% intervals, by order statistics and by drift.

    Args:
        samples: (n,) values in the order taken; NaN for fewer than 6.
    """
    low, high = median_interval(samples)
    median, half = float(np.median(samples)), drift_interval(samples)
    return (low, high) if not 2 * half > high - low else (median - half, median + half)


def paired_ratio(first: np.ndarray, samples: np.ndarray) -> tuple[float, float, float]:
    """Return how many times as fast as a first row another one is, round by round.

    Both rows are timed once in every round, so a drift of the machine changes their ratio far less than it
    changes their times.

    Args:
        first: (n,) times of the first row by rounds.
        samples: (n,) times of the other row in the same rounds.

    Returns:
        Median of the rounds' ratios ``first / samples``, and the lower and upper end of its
        :func:`wider_interval`.
    """
    ratios = np.asarray(first, np.float64) / np.asarray(samples, np.float64)
    return float(np.median(ratios)), *wider_interval(ratios)


def instability_reasons(samples: np.ndarray) -> list[str]:
    """Say why a second run might give a median more than 5% away; nothing where it should not.

    Args:
        samples: (n,) times in the order taken.
    """
    if len(samples) < 4:
        return [f"{len(samples)} samples are too few to tell"]
    median = np.median(samples)
    first, second = (np.median(half) for half in np.array_split(samples, 2))
    found = []
    if abs(first - second) > UNSTABLE * median:
        found.append(f"first and second half differ by {100 * abs(first - second) / median:.1f}%")
    # The difference of two medians is by sqrt(2) wider than the interval of one.
    if (half_width := drift_interval(samples)) > UNSTABLE / np.sqrt(2) * median:
        found.append(f"the median is known to {100 * half_width / median:.1f}% only")
    return found


def summarise(seconds: np.ndarray) -> dict[str, float | bool | int]:
    """Return the numbers of a latency record.

    Args:
        seconds: (n,) times of single calls, in the order taken.
    """
    ms = 1000 * np.asarray(seconds)
    p50, p90, p99 = np.percentile(ms, [50, 90, 99])
    low, high = median_interval(ms)
    return {
        "latency_ms_p50": float(p50),
        "latency_ms_p90": float(p90),
        "latency_ms_p99": float(p99),
        "latency_ms_mean": float(ms.mean()),
        "latency_ms_p50_low": low,
        "latency_ms_p50_high": high,
        "fps_p50": float(1000 / p50),
        "samples": len(ms),
        "unstable": bool(instability_reasons(ms)),
    }


def warm_up(call: Callable[[], object], seconds: float = 10.0, window: int = 5) -> int:
    """Call until the median of a window stays within 2% of the window before it.

    Args:
        call: one synchronised call.
        seconds: give up waiting for stability after this time.
        window: calls compared.

    Returns:
        The number of calls made.
    """
    times: list[float] = []
    end = perf_counter() + seconds
    while perf_counter() < end:
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
        if len(times) >= 2 * window:
            before, now = np.median(times[-2 * window : -window]), np.median(times[-window:])
            if abs(now - before) <= 0.02 * before:
                break
    return len(times)


@dataclass(frozen=True)
class Timing(Generic[Name]):
    """What :func:`measure` took.

    Attributes:
        seconds: row -> (n,) times in the order taken, of undisturbed blocks where there are enough.
        readings: of the machine, one a block: seconds since the start, rounds, whether the block counts, and
            what ``read`` said.
        disturbed: whether blocks had to count although other processes used the machine.
    """

    seconds: dict[Name, np.ndarray]
    readings: list[dict]
    disturbed: bool


def measure(
    calls: Mapping[Name, Callable[[], object]],
    *,
    min_samples: int = 100,
    max_seconds: float = 10.0,
    patience: float = 3.0,
    seed: int = 0,
    read: Callable[[], Mapping] = dict,
    advance: Callable[[float], None] = lambda done: None,
) -> Timing[Name]:
    """Time calls interleaved until each has enough samples or has taken its time, and its median is settled.

    Args:
        calls: row -> one call that returns when the work is done (synchronised).
        min_samples: samples of each.
        max_seconds: of each, where that many samples would take longer.
        patience: how many times that time may be spent where medians do not settle or others disturb.
        seed: of the rounds' order.
        read: the state of the machine since it was last asked; ``busy_elsewhere`` in it is the share of the
            cores that other processes used.
        advance: called after each block with the share done.
    """
    for call in calls.values():
        warm_up(call, seconds=max_seconds)
    blocks: list[dict[Name, list[float]]] = []
    readings: list[dict] = []
    order, shuffle = list(calls), random.Random(seed).shuffle
    budget = max_seconds * len(calls)
    block_seconds = min(BLOCK_SECONDS, max(0.1, budget / BATCHES))

    def chosen(every: bool) -> dict[Name, np.ndarray]:
        taken = [b for b, r in zip(blocks, readings, strict=True) if every or r["counts"]]
        return {name: np.array([t for block in taken for t in block[name]]) for name in calls}

    def rounds() -> int:
        return sum(reading["rounds"] for reading in readings if reading["counts"])

    def spent() -> float:
        return sum(r["seconds"] for r in readings if r["counts"])

    collecting = gc.isenabled()
    gc.disable()
    try:
        read()
        start = perf_counter()
        while True:
            block: dict[Name, list[float]] = {name: [] for name in calls}
            begin = perf_counter()
            taken = 0
            done = rounds()
            while not taken or (
                perf_counter() - begin < block_seconds and not done < min_samples <= done + taken
            ):
                shuffle(order)
                for name in order:
                    before = perf_counter()
                    calls[name]()
                    block[name].append(perf_counter() - before)
                taken += 1
            end = perf_counter()
            state = dict(read())
            blocks.append(block)
            readings.append(
                {
                    "at_seconds": round(begin - start, 3),
                    "seconds": round(end - begin, 3),
                    "rounds": taken,
                    "counts": state.get("busy_elsewhere", 0.0) <= BUSY_ELSEWHERE,
                    **state,
                }
            )
            share = max(rounds() / min_samples, spent() / budget)
            waited = (end - start) / (patience * budget)
            advance(min(max(share, waited), 1.0))
            if waited >= 1 or (share >= 1 and not any(map(_unsettled, chosen(False).values()))):
                break
    finally:
        if collecting:
            gc.enable()
    enough = max(rounds() / min_samples, spent() / budget) >= 0.5
    for reading in readings:
        reading["counts"] = reading["counts"] or not enough
    return Timing(chosen(not enough), readings, disturbed=not enough)


def _unsettled(seconds: np.ndarray) -> bool:
    # Half of what marks a row unstable: going on is cheaper than a mark.
    return drift_interval(seconds) > UNSTABLE / 2 / np.sqrt(2) * np.median(seconds)
