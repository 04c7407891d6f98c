"""Latency by one protocol: warm-up, synchronisation, interleaving, medians and their reliability.

Every sample is one call with the input already on the device, and host and device are synchronised before and
after it. All rows are timed in rounds of random order, so that a drift of the machine affects all rows alike.
The garbage collector is off during the timing. Rounds are grouped into blocks. A block is taken again if
other processes used a notable share of the machine in it, and rounds go on while a row's median is not yet
settled, both up to a limit. A row that is still unsettled then is marked unstable, with the reason.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Generic, TypeVar

import numpy as np
from scipy import stats

from lednet_mm.environment import without_garbage_collection
from lednet_mm.statistics import median_interval

UNSTABLE = 0.05
"""Two runs should agree within this share of the median: see :func:`instability_reasons`."""

BUSY_ELSEWHERE = 0.05
"""A block is taken again if other processes used more than this share of the cores."""

BLOCK_SECONDS = 0.5  # upper limit; kernels count busy time in steps of 10 ms
BATCHES = 10

Name = TypeVar("Name", bound=Hashable)


def drift_interval(samples: np.ndarray) -> float:
    """Return the half width of a 95% interval of the median that allows for drift.

    Consecutive times resemble each other (because of the machine's clock and other users), so an interval
    from the order statistics of all samples is too narrow. Here the samples are divided into ten consecutive
    parts, whose medians vary with the drift too, and the interval is Student's t interval from these medians.

    Args:
        samples: (n,) values in the order of measurement; for fewer than four, the result is infinite.
    """
    parts = min(BATCHES, len(samples) // 2)
    if parts < 2:
        return float("inf")
    medians = [np.median(part) for part in np.array_split(samples, parts)]
    return float(stats.t.ppf(0.975, parts - 1) * np.std(medians, ddof=1) / np.sqrt(parts))


def wider_interval(samples: np.ndarray) -> tuple[float, float]:
    """Return the wider of the median's two 95% intervals, from order statistics and from drift.

    Args:
        samples: (n,) values in the order of measurement; for fewer than 6, the result is NaN.
    """
    low, high = median_interval(samples)
    median, half = float(np.median(samples)), drift_interval(samples)
    return (low, high) if not 2 * half > high - low else (median - half, median + half)


def paired_ratio(first: np.ndarray, samples: np.ndarray) -> tuple[float, float, float]:
    """Return the speed of a row relative to a first row, from the rounds in which both were timed.

    Both rows are timed once in every round, so a drift of the machine changes their ratio far less than their
    times.

    Args:
        first: (n,) times of the first row, one for each round.
        samples: (n,) times of the other row in the same rounds.

    Returns:
        The median of the ratios ``first / samples``, and the lower and upper end of its
        :func:`wider_interval`.
    """
    ratios = np.asarray(first, np.float64) / np.asarray(samples, np.float64)
    return float(np.median(ratios)), *wider_interval(ratios)


def instability_reasons(samples: np.ndarray) -> list[str]:
    """Return the reasons why a second run might give a median more than 5% away; empty if there are none.

    Args:
        samples: (n,) times in the order of measurement.
    """
    if len(samples) < 4:
        return [f"{len(samples)} samples are too few to tell"]
    median = np.median(samples)
    first, second = (np.median(half) for half in np.array_split(samples, 2))
    found = []
    if abs(first - second) > UNSTABLE * median:
        found.append(f"first and second half differ by {100 * abs(first - second) / median:.1f}%")
    # The difference of two medians has an interval sqrt(2) times as wide as that of one median.
    if (half_width := drift_interval(samples)) > UNSTABLE / np.sqrt(2) * median:
        found.append(f"the median is known to {100 * half_width / median:.1f}% only")
    return found


def summarise(seconds: np.ndarray) -> dict[str, float | bool | int]:
    """Return the values of a latency record.

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
    """Repeat a call until the median of a window stays within 2% of the previous window's.

    Args:
        call: one synchronised call.
        seconds: time after which the warm-up ends even if the medians are not stable.
        window: number of calls in a window.

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
    """The result of :func:`measure`.

    Attributes:
        seconds: row -> (n,) times in the order of measurement; disturbed blocks are left out if enough others
            remain.
        readings: state of the machine for each block: seconds since the start, number of rounds, whether the
            block counts, and the result of ``read``.
        disturbed: whether blocks count although other processes used the machine.
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
    """Time calls in turn until each has enough samples or has used its time, and its median is settled.

    Args:
        calls: row -> one call that returns when the work is done (synchronised).
        min_samples: number of samples of each row.
        max_seconds: seconds after which a row needs no further samples.
        patience: factor by which this time may be exceeded while medians are unsettled or others disturb.
        seed: seed of the random order of the rounds.
        read: function that returns the machine's state since its last call; its ``busy_elsewhere`` is the
            share of the cores that other processes used.
        advance: function that is called after each block with the share that is done.
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

    with without_garbage_collection():
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
    enough = max(rounds() / min_samples, spent() / budget) >= 0.5
    for reading in readings:
        reading["counts"] = reading["counts"] or not enough
    return Timing(chosen(not enough), readings, disturbed=not enough)


def _unsettled(seconds: np.ndarray) -> bool:
    # This is half the limit for marking a row unstable: more rounds are better than a mark.
    return drift_interval(seconds) > UNSTABLE / 2 / np.sqrt(2) * np.median(seconds)
