"""The latency protocol: interleaving, statistics, the mark of an unstable run."""

import gc
import time

import numpy as np
import pytest

from lednet_mm.cost.latency import measure, median_interval, summarise, warm_up


def test_the_interval_of_the_median_covers_it_as_often_as_it_says():
    random = np.random.default_rng(0)
    runs = random.lognormal(size=(1000, 100))  # latencies are skewed
    intervals = np.array([median_interval(run) for run in runs])
    covered = np.mean((intervals[:, 0] <= 1) & (intervals[:, 1] >= 1))
    assert 0.94 <= covered <= 0.985


def test_summary_of_known_times():
    values = summarise(np.arange(1, 102) / 1000)
    assert values["latency_ms_p50"] == pytest.approx(51)
    assert values["latency_ms_p90"] == pytest.approx(91)
    assert values["latency_ms_p99"] == pytest.approx(100)
    assert values["fps_p50"] == pytest.approx(1000 / 51)
    assert values["samples"] == 101


@pytest.mark.parametrize(("second_half", "unstable"), [(1.04, False), (1.06, True), (0.94, True)])
def test_halves_that_differ_mark_the_run(second_half, unstable):
    times = np.concatenate([np.full(50, 0.100), np.full(50, 0.100 * second_half)])
    assert summarise(times)["unstable"] is unstable


def test_networks_are_timed_interleaved_with_the_collector_off():
    calls = []

    def call(name):
        calls.append((name, gc.isenabled()))

    times = measure({name: lambda name=name: call(name) for name in "abc"}, min_samples=20, max_seconds=5)
    assert {name: len(samples) for name, samples in times.items()} == {"a": 20, "b": 20, "c": 20}
    timed = calls[-60:]
    assert all(sorted(n for n, _ in timed[i : i + 3]) == ["a", "b", "c"] for i in range(0, 60, 3))
    assert len({tuple(n for n, _ in timed[i : i + 3]) for i in range(0, 60, 3)}) > 1
    assert not any(enabled for _, enabled in timed)
    assert gc.isenabled()


def test_slow_calls_stop_at_their_time():
    times = measure({"slow": lambda: time.sleep(0.05)}, min_samples=1000, max_seconds=0.3)
    assert 3 <= len(times["slow"]) <= 8


def test_warm_up_ends_when_the_median_is_stable():
    durations = iter([0.05] * 5 + [0.01] * 100)
    assert 10 <= warm_up(lambda: time.sleep(next(durations)), seconds=5) <= 40
