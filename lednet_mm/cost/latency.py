"""Latency by one protocol: warmed up, synchronised, several networks interleaved, medians with their spread.

Every sample is one call with the input already on the device, host and device synchronised around it. The
networks are timed in rounds of random order, so that a drift of the machine hits all alike; the garbage
collector is off meanwhile.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Mapping

import numpy as np

UNSTABLE = 0.05
"""A run whose first and second half differ by more than this share of the median is marked unstable."""


def median_interval(samples: np.ndarray) -> tuple[float, float]:
    """Return a 95% interval of the median from order statistics (no distribution assumed).

    Args:
        samples: (n,) values.
    """
    ordered = np.sort(samples)
    n = len(ordered)
    half = 1.96 * np.sqrt(n) / 2
    low = max(0, int(np.floor(n / 2 - half)) - 1)
    high = min(n - 1, int(np.ceil(n / 2 + half)))
    return float(ordered[low]), float(ordered[high])


def summarise(seconds: np.ndarray) -> dict[str, float | bool | int]:
    """Return the numbers of a latency record.

    Args:
        seconds: (n,) times of single calls, in the order taken.
    """
    ms = 1000 * np.asarray(seconds)
    p50, p90, p99 = np.percentile(ms, [50, 90, 99])
    low, high = median_interval(ms)
    first, second = np.median(ms[: len(ms) // 2]), np.median(ms[len(ms) // 2 :])
    return {
        "latency_ms_p50": float(p50),
        "latency_ms_p90": float(p90),
        "latency_ms_p99": float(p99),
        "latency_ms_mean": float(ms.mean()),
        "latency_ms_p50_low": low,
        "latency_ms_p50_high": high,
        "fps_p50": float(1000 / p50),
        "samples": len(ms),
        "unstable": bool(abs(first - second) > UNSTABLE * p50),
    }


def warm_up(call: Callable[[], None], seconds: float = 10.0, window: int = 5) -> int:
    """Call until the median of a window stays within 2% of the window before it.

    Args:
        call: one synchronised call.
        seconds: give up waiting for stability after this time.
        window: calls compared.

    Returns:
        The number of calls made.
    """
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
        if len(times) >= 2 * window:
            before, now = np.median(times[-2 * window : -window]), np.median(times[-window:])
            if abs(now - before) <= 0.02 * before:
                break
    return len(times)


def measure(
    calls: Mapping[str, Callable[[], None]],
    *,
    min_samples: int = 100,
    max_seconds: float = 10.0,
    seed: int = 0,
    advance: Callable[[float], None] = lambda done: None,
) -> dict[str, np.ndarray]:
    """Time calls interleaved until each has enough samples or has taken its time.

    Args:
        calls: name -> one call that returns when the work is done (synchronised).
        min_samples: samples of each.
        max_seconds: of each, where that many samples would take longer.
        seed: of the rounds' order.
        advance: called after each round with the share done.

    Returns:
        name -> (n,) seconds in the order taken.
    """
    for call in calls.values():
        warm_up(call, seconds=max_seconds)
    times: dict[str, list[float]] = {name: [] for name in calls}
    order, shuffle = list(calls), random.Random(seed).shuffle
    collecting = gc.isenabled()
    gc.disable()
    try:
        start, share = time.perf_counter(), 0.0
        while share < 1:
            shuffle(order)
            for name in order:
                begin = time.perf_counter()
                calls[name]()
                times[name].append(time.perf_counter() - begin)
            elapsed = time.perf_counter() - start
            share = max(len(times[order[0]]) / min_samples, elapsed / (max_seconds * len(calls)))
            advance(min(share, 1.0))
    finally:
        if collecting:
            gc.enable()
    return {name: np.array(seconds) for name, seconds in times.items()}
