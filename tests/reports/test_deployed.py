"""The section on deployed forms: differences to the checkpoint, what was timed, and which form to deploy."""

from __future__ import annotations

import numpy as np
import pytest

from lednet_mm.errors import InputError
from lednet_mm.records import Record, read_record, write_record
from lednet_mm.reports.deployed import backend_of, collect_forms, compare_with_checkpoint
from lednet_mm.reports.latencies import speedup
from lednet_mm.reports.sections.deployed import Deployed, recommendations
from lednet_mm.studies.jobs import results_of
from lednet_mm.timing.backends import Backend
from tests.reports.made import accuracy, content_of, latency, train

SHA = "5" * 64


def of(record: Record, precision: str = "fp32", sha256: str = SHA, **changed) -> Record:
    """Return a record as if it were of these weights, in this precision."""
    changes = {"precision": precision, "checkpoint_sha256": sha256, **changed}
    return record.model_copy(update={"provenance": record.provenance.model_copy(update=changes)})


def form(engine: str, precision: str, quality: float, fps: float | None = None, **more) -> list[Record]:
    """Return the records of the accuracy and the latency of a form."""
    tested = of(accuracy(quality=quality, minute=5, engine=engine, deployed=True, **more), precision)
    if fps is None:
        return [tested]
    return [tested, of(latency(fps=fps, engine=engine, deployed=True), precision)]


@pytest.fixture
def records() -> list[Record]:
    return [
        of(accuracy(quality=0.8)),
        of(latency(fps=10)),
        *form("onnxruntime", "fp32", 0.8, 20),
        *form("onnxruntime", "int8", 0.79, 35, file_bytes=1 << 20),
        *form("openvino", "int8", 0.75, 50),
        *form("channels_last", "fp32", 0.8),
    ]


def test_forms_are_in_the_order_of_their_speed_with_their_differences(records):
    content = content_of(records)
    (weights,) = collect_forms(records, content.differences)
    assert [(f.backend.engine, f.backend.precision) for f in weights.forms] == [
        ("openvino", "int8"),
        ("onnxruntime", "int8"),
        ("onnxruntime", "fp32"),
        ("eager", "fp32"),
        ("channels_last", "fp32"),
    ]
    by_backend = {f.backend: f for f in weights.forms}
    assert weights.plain is by_backend[Backend()]
    assert weights.plain.difference.interval is None
    for backend, found in by_backend.items():
        if backend != Backend():
            ours, plain = found.accuracy.values["miou_percent"], records[0].values["miou_percent"]
            assert found.difference.interval.difference == pytest.approx(ours - plain)
    assert by_backend[Backend("openvino", "int8", True)].difference.verdict.startswith("worse")


def test_the_fastest_form_depends_on_the_accuracy_that_is_wished(records):
    (weights,) = collect_forms(records, content_of(records).differences)
    by_backend = {f.backend: f for f in weights.forms}
    middle = Backend("onnxruntime", "int8", True)
    loss = weights.plain.miou - by_backend[middle].miou
    assert loss > 0.1
    assert weights.fastest_within(loss - 0.01).backend == Backend("onnxruntime", "fp32", True)
    assert weights.fastest_within(loss + 0.01).backend == middle
    assert weights.fastest_within(50).backend == Backend("openvino", "int8", True)


def test_what_to_deploy_is_said_once_for_equal_answers(records):
    (weights,) = collect_forms(records[:4], content_of(records[:4]).differences)
    (line,) = recommendations(weights)
    assert line.startswith(
        "Fastest of lednet on camvid within 0.1 or 0.5 or 1 points of mIoU: onnxruntime fp32"
    )
    assert "2.00 times as fast as the checkpoint" in line


def test_without_the_checkpoint_nothing_is_recommended(records):
    (weights,) = collect_forms(records[1:], content_of(records[1:]).differences)
    assert weights.plain is None
    assert list(recommendations(weights)) == []
    assert {f.difference.reason for f in weights.forms} == {"no record of the checkpoint in plain PyTorch"}


def test_a_latency_of_other_weights_does_not_count(records):
    other = [of(r, r.provenance.precision, "6" * 64) if r.kind == "latency" else r for r in records]
    (weights,) = collect_forms(other, content_of(other).differences)
    assert all(f.latency is None for f in weights.forms)
    assert weights.fastest_within(50) is None


def test_the_table_and_the_plot(records):
    section = Deployed(content_of(records))
    table = section.files()["deployed.md"].decode()
    assert table.count("\n| lednet") == 5
    assert "1.00" in table  # MiB
    assert any("Fastest of lednet on camvid" in note for note in section.notes())
    (plot,) = section.plots()
    assert set(plot.files()) == {"deployed.png", "deployed.svg"}


def test_rows_of_one_run_are_compared_round_by_round(records):
    """The machine slows down by half, for one row a little earlier, which changes the ratio of medians."""
    slow, fast = (r for r in records[:4] if r.kind == "latency")

    def in_run(record, samples, busy):
        details = {**record.details, "samples_ms": samples.tolist(), "machine": {"busy_elsewhere": busy}}
        values = {**record.values, "latency_ms_p50": float(np.median(samples))}
        return record.model_copy(update={"details": details, "values": values})

    first = in_run(slow, 90 * np.repeat([1.0, 2.0], [60, 40]), 0.01)
    times = 30 * np.repeat([1.0, 2.0], [40, 60])
    second = in_run(fast, times, 0.01)
    assert str(speedup(first, second)).startswith("3.00 (")
    assert str(speedup(first, in_run(fast, times, 0.02))) == "1.50"  # of another run
    assert str(speedup(first, in_run(fast, times[:-1], 0.01))) == "1.50"
    assert str(speedup(first, first)) == "1.00"
    section = Deployed(content_of([{id(slow): first, id(fast): second}.get(id(r), r) for r in records[:4]]))
    assert " 3.00 (" in section.files()["deployed.md"].decode()
    assert any("the median of the ratios in the rounds of one run" in note for note in section.notes())


def test_there_is_no_section_without_deployed_forms(records):
    section = Deployed(content_of(records[:2]))
    assert section.files() == {}
    assert section.plots() == []


def test_deployed_forms_are_no_results_of_a_run():
    """Newer accuracies of a deployed form must neither stand in the summary nor count as a study's result."""
    trained, plain = of(train()), of(accuracy(quality=0.8, minute=1))
    deployed = form("onnxruntime", "int8", 0.5)[0]
    content = content_of([trained, plain, deployed])
    assert list(content.runs["miou_percent"]) == [plain.values["miou_percent"]]
    assert results_of([trained, plain, deployed], plain.config.sha256) == [plain]


def test_a_record_is_compared_with_that_of_its_checkpoint(records, tmp_path):
    plain, ours = records[0], form("openvino", "int8", 0.75)[0]
    path = write_record(ours, tmp_path / "ours")
    there = write_record(plain, tmp_path / "plain")
    other = of(accuracy(quality=0.9), sha256="7" * 64)
    write_record(other, tmp_path / "plain")
    write_record(of(accuracy(quality=0.9, split="val")), tmp_path / "plain")
    for places in ([tmp_path / "plain"], [there]):
        found, difference = compare_with_checkpoint(path, places)
        assert found == read_record(there)
        assert difference.interval.low < difference.interval.difference < difference.interval.high < 0
    assert compare_with_checkpoint(path, [tmp_path / "ours"]) is None
    with pytest.raises(InputError, match="nowhere"):
        compare_with_checkpoint(path, [tmp_path / "nowhere"])
    assert backend_of(ours) == Backend("openvino", "int8", True)
