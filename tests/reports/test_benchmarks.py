"""Benchmarks of the project's own parts, from the timing to the table."""

import time

import pytest

from lednet_mm.cost.comparing import compare_ways
from lednet_mm.environment import Threads
from lednet_mm.records import read_record, write_record
from lednet_mm.reports.benchmarks import benchmark_table
from lednet_mm.reports.report import write_report


@pytest.fixture
def record(tmp_path):
    """Sleep for 2 ms and for 8 ms, 4 images a call."""
    ways = {"plain": lambda: time.sleep(0.008), "no waiting, much": lambda: time.sleep(0.002)}
    compared = compare_ways("loader", ways, 4, "images", seconds=0.3)
    path = write_record(compared.record(Threads(1, 2, "PASSIVE", "a test"), {"shape": [1, 2]}), tmp_path)
    return read_record(path)


def test_the_table_says_how_much_faster_each_way_is(record):
    table = benchmark_table([record], "Two ways")
    plain, quick = table.rows()
    assert (plain["way"], quick["way"], plain["ratio"]) == ("plain", "no waiting, much", 1)
    assert 2.5 < quick["ratio"] < 4.2
    assert plain["per_second"] == pytest.approx(4000 / plain["ms_p50"])
    assert 8 <= plain["ms_p50"] < 14
    low, high = map(float, plain["interval"].split(" to "))
    assert low - 0.01 <= plain["ms_p50"] <= high + 0.01  # the text is rounded


def test_a_report_of_benchmarks_alone(record, tmp_path):
    write_report([tmp_path], tmp_path / "report", "Two ways")
    text = (tmp_path / "report" / "benchmarks.md").read_text()
    assert "| loader" in text
    assert "images" in text
    assert not (tmp_path / "report" / "comparison.md").exists()
