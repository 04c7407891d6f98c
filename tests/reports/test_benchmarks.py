"""Benchmarks of the project's own parts, from the times to the table."""

import numpy as np
import pytest
import torch

from lednet_mm.environment import Threads
from lednet_mm.records import read_record, write_record
from lednet_mm.reports.content import Content
from lednet_mm.reports.parts import Sources
from lednet_mm.reports.reading import read_evidence
from lednet_mm.reports.report import write_report
from lednet_mm.reports.sections.benchmarks import Benchmarks
from lednet_mm.timing.comparing import Comparison, compare_ways
from lednet_mm.timing.latency import Timing

CPU = torch.device("cpu")
THREADS = Threads(1, 2, "PASSIVE", "a test")


@pytest.fixture
def record(tmp_path):
    """Return a record of two ways that took 8 ms and 2 ms for 4 images per call."""
    seconds = {"plain": np.full(20, 0.008), "no waiting, much": np.full(20, 0.002)}
    readings = [{"seconds": 0.2, "rounds": 20, "counts": True, "busy_elsewhere": 0.0}]
    compared = Comparison("loader", 4, "images", Timing(seconds, readings, disturbed=False), CPU)
    return read_record(write_record(compared.record(THREADS, {"shape": [1, 2]}), tmp_path))


def test_the_table_says_how_much_faster_each_way_is(record, tmp_path):
    plain, quick = Benchmarks(Content(read_evidence([tmp_path]))).table.rows
    assert (plain["way"], plain["ratio"], plain["ms_p50"], plain["per_second"]) == ("plain", 1, 8, 500)
    assert (quick["way"], quick["ratio"], quick["ms_p50"], quick["per_second"]) == (
        "no waiting, much",
        pytest.approx(4),
        2,
        2000,
    )
    assert plain["interval"] == "8.00 to 8.00"


def test_every_way_is_called_and_timed(clock):
    called = []

    def call(way):
        called.append(way)
        clock.pass_by(0.0001)

    compared = compare_ways(
        "calls", {"a": lambda: call("a"), "b": lambda: call("b")}, 1, "calls", seconds=0.01
    )
    assert set(called) == {"a", "b"}
    assert {way: len(s) >= 100 for way, s in compared.timing.seconds.items()} == {"a": True, "b": True}
    assert compared.record(THREADS, {}).details["ways"] == {"a": "a", "b": "b"}


def test_numbers_name_their_record(record, tmp_path):
    evidence = read_evidence([tmp_path])
    sources = Sources(evidence, tmp_path)
    (part,) = Benchmarks(Content(evidence)).parts(sources)
    column = next(c for c in part["columns"] if c["key"] == "ms_p50")
    assert [row["sources"][column["source"]] for row in part["rows"]] == [[0], [0]]
    assert sources.data()["rows"][0][0] == f"benchmark-{record.id}"


def test_a_report_of_benchmarks_alone(record, tmp_path):
    write_report([tmp_path], tmp_path / "report", "Two ways")
    text = (tmp_path / "report" / "benchmarks.md").read_text()
    assert "| loader" in text
    assert "images" in text
    assert not (tmp_path / "report" / "comparison.md").exists()
