"""The latency protocol: interleaving, statistics, repeated blocks, and rows that are marked unstable."""

import gc
from itertools import chain, repeat

import numpy as np
import pytest

from lednet_mm.statistics import median_interval
from lednet_mm.timing import latency
from lednet_mm.timing.latency import (
    drift_interval,
    instability_reasons,
    measure,
    paired_ratio,
    summarise,
    warm_up,
    wider_interval,
)


def test_the_wider_interval_is_that_of_the_drift_where_samples_resemble_their_neighbours():
    random = np.random.default_rng(5)
    independent = random.normal(10, 1, 400)
    low, high = wider_interval(independent)
    assert low < 10 < high
    assert high - low < 0.6
    drifting_slowly = independent + np.repeat(random.normal(0, 1, 10), 40)
    assert np.diff(wider_interval(drifting_slowly)) > 3 * np.diff(median_interval(drifting_slowly))


def test_the_ratio_of_rounds_is_known_better_than_that_of_medians():
    random = np.random.default_rng(6)
    drift = np.linspace(1, 2, 200)  # the machine slows down for both
    first, second = (drift * random.normal(mean, 0.01, 200) for mean in (3, 2))
    ratio, low, high = paired_ratio(first, second)
    assert low < 1.5 < high
    assert abs(ratio - 1.5) < 0.005
    assert high - low < 0.02 < np.diff(wider_interval(first))


def test_the_interval_of_the_median_covers_it_as_often_as_it_says():
    random = np.random.default_rng(0)
    runs = random.lognormal(size=(1000, 100))  # latencies are skewed
    intervals = np.array([median_interval(run) for run in runs])
    covered = np.mean((intervals[:, 0] <= 1) & (intervals[:, 1] >= 1))
    assert 0.94 <= covered <= 0.985


def drifting(random, runs, spread):
    """Return times around 100 with noise of 1 and a slow drift, as on a shared machine: (runs, 200)."""
    steps = random.normal(size=(runs, 10)) * spread
    return 100 + np.repeat(steps, 20, axis=1) + random.normal(size=(runs, 200))


def test_the_drift_interval_covers_the_median_where_the_plain_one_does_not():
    runs = drifting(np.random.default_rng(1), 500, 5)
    plain = np.mean([low <= 100 <= high for low, high in map(median_interval, runs)])
    wider = np.mean([abs(np.median(run) - 100) <= drift_interval(run) for run in runs])
    assert plain < 0.7
    assert wider > 0.9


@pytest.mark.parametrize("spread", [1, 3, 6, 10])
def test_two_runs_of_rows_without_a_mark_agree(spread):
    random = np.random.default_rng(2)
    first, second = drifting(random, 300, spread), drifting(random, 300, spread)
    unmarked = [
        not instability_reasons(a) and not instability_reasons(b) for a, b in zip(first, second, strict=True)
    ]
    apart = np.abs(np.median(first, 1) / np.median(second, 1) - 1) > 0.05
    if spread == 1:
        assert all(unmarked)  # a mark on every row would not help
    assert np.mean(unmarked & apart) <= 0.01


def test_summary_of_known_times():
    values = summarise(np.arange(1, 102) / 1000)
    assert values["latency_ms_p50"] == pytest.approx(51)
    assert values["latency_ms_p90"] == pytest.approx(91)
    assert values["latency_ms_p99"] == pytest.approx(100)
    assert values["fps_p50"] == pytest.approx(1000 / 51)
    assert values["samples"] == 101
    assert values["unstable"] is True  # the times grow


@pytest.mark.parametrize(("second_half", "unstable"), [(1.02, False), (1.06, True), (0.94, True)])
def test_halves_that_differ_mark_the_run(second_half, unstable):
    times = np.concatenate([np.full(50, 0.100), np.full(50, 0.100 * second_half)])
    assert summarise(times)["unstable"] is unstable


def test_rows_are_timed_interleaved_with_the_collector_off(clock):
    calls = []

    def call(name):
        calls.append((name, gc.isenabled()))
        clock.pass_by(0.002)

    timing = measure(
        {name: lambda name=name: call(name) for name in "abc"}, min_samples=20, max_seconds=0.2, patience=1
    )
    (count,) = {len(samples) for samples in timing.seconds.values()}
    assert count >= 20
    timed = calls[-3 * count :]
    rounds = [tuple(name for name, _ in timed[i : i + 3]) for i in range(0, 3 * count, 3)]
    assert all(sorted(one) == ["a", "b", "c"] for one in rounds)
    assert len(set(rounds)) > 1
    assert not any(enabled for _, enabled in timed)
    assert gc.isenabled()


def test_slow_calls_stop_at_their_time(clock):
    timing = measure({"slow": lambda: clock.pass_by(0.05)}, min_samples=1000, max_seconds=0.3, patience=1)
    assert len(timing.seconds["slow"]) == 6


def test_rounds_go_on_until_the_median_is_settled(clock):
    random = np.random.default_rng(0)
    timing = measure(
        {"unsteady": lambda: clock.pass_by(random.choice([0.001, 0.005]))},
        min_samples=10,
        max_seconds=0.2,
        patience=3,
    )
    assert len(timing.seconds["unsteady"]) > 50
    last = timing.readings[-1]
    assert last["at_seconds"] < 0.6 <= last["at_seconds"] + last["seconds"]


def test_blocks_that_others_disturb_are_taken_again(clock, monkeypatch):
    monkeypatch.setattr(latency, "BLOCK_SECONDS", 0.02)
    busy = chain([0.0, 0.0, 0.4], repeat(0.01))
    block = {"number": -1}

    def read():
        block["number"] += 1
        return {"busy_elsewhere": next(busy)}

    def call():  # slow while others are busy
        clock.pass_by(0.008 if block["number"] == 1 else 0.004)

    timing = measure({"row": call}, min_samples=20, max_seconds=1, read=read)
    assert not timing.disturbed
    assert [reading["counts"] for reading in timing.readings[:3]] == [True, False, True]
    assert timing.seconds["row"] == pytest.approx(0.004)
    assert len(timing.seconds["row"]) == 20


def test_a_machine_that_is_never_free_is_said(clock):
    timing = measure(
        {"row": lambda: clock.pass_by(0.005)},
        min_samples=20,
        max_seconds=0.1,
        read=lambda: {"busy_elsewhere": 0.5},
    )
    assert timing.disturbed
    assert len(timing.seconds["row"]) > 20  # what there is


def test_warm_up_ends_when_the_median_is_stable(clock):
    durations = iter([0.05] * 5 + [0.01] * 100)
    assert 10 <= warm_up(lambda: clock.pass_by(next(durations)), seconds=5) <= 20
