"""The comparison: joined rightly, nothing mixed silently, the same records give the same bytes."""

import pandas as pd
import pytest

from lednet_mm.evaluation.confusion import pack
from lednet_mm.records import Provenance, Run, new_record, write_record
from lednet_mm.reports.comparison import class_table, compare, to_markdown
from lednet_mm.reports.report import write_report

PROVENANCE = Provenance(
    commit="c0ffee",
    dirty=False,
    versions={"torch": "2.13.0"},
    device="CPU A",
    device_count=2,
    threads=2,
    precision="fp32",
    date="2026-11-21T10:00:00+00:00",
    command="python tools/test.py",
    host_os="Linux",
)


def at(minute):
    return PROVENANCE.model_copy(update={"date": f"2026-11-21T10:{minute:02}:00+00:00"})


def accuracy(network="lednet", variant="baseline", seed=0, split="test", miou=50.0, minute=0):
    import numpy as np

    details = {
        "split": split,
        "class_iou_percent": {"road": miou + 1, "sky": miou - 1},
        "per_image_confusion": pack(np.ones((2, 2, 2), int)),
    }
    run = Run(network=network, dataset="camvid", variant=variant, seed=seed)
    values = {"miou_percent": miou, "pixel_accuracy_percent": 80.0, "mean_accuracy_percent": 60.0}
    return new_record("accuracy", run, "", values, details, at(minute))


def complexity(network="lednet", params=920_000, shape=(360, 480)):
    details = {"shape": shape, "counters": {}, "missed": {}}
    run = Run(network=network, dataset="camvid")
    return new_record("complexity", run, "", {"params": params, "macs": 10**10}, details, PROVENANCE)


def latency(network="lednet", fps=10.0, device="CPU A", engine="eager"):
    values = {"fps_p50": fps, "latency_ms_p50": 1000 / fps, "latency_ms_p90": 1.0, "latency_ms_p99": 2.0}
    details = {"shape": (360, 480), "batch_size": 1, "engine": engine}
    run = Run(network=network, dataset="camvid")
    provenance = PROVENANCE.model_copy(update={"device": device})
    return new_record("latency", run, "", {**values, "unstable": False}, details, provenance)


def test_a_row_joins_what_belongs_to_a_run():
    records = [accuracy(seed=0, miou=50), accuracy(seed=1, miou=52), complexity(), latency()]
    table = compare(records).table
    assert table["seed"].tolist() == [0, 1]
    assert table["miou_percent"].tolist() == [50, 52]
    assert table["params"].tolist() == [920_000] * 2
    assert table["fps_p50"].tolist() == [10.0] * 2


def test_test_goes_before_val_and_the_newest_counts():
    records = [
        accuracy(split="test", miou=41, minute=2),
        accuracy(split="test", miou=40, minute=1),
        accuracy(split="val", miou=60, minute=3),
    ]
    (row,) = compare(records).table.to_dict("records")
    assert (row["split"], row["miou_percent"], row["miou_val_percent"]) == ("test", 41, 60)


def test_a_network_without_a_training_has_a_row():
    (row,) = compare([complexity("erfnet", 2_000_000)]).table.to_dict("records")
    assert row["network"] == "erfnet"
    assert pd.isna(row["miou_percent"])


def test_latencies_of_other_conditions_are_named_and_not_mixed():
    records = [latency("lednet"), latency("erfnet"), latency("lednet", 500, device="GPU B")]
    comparison = compare(records)
    assert comparison.condition.device == "CPU A"
    assert comparison.table.set_index("network")["fps_p50"].to_dict() == {"lednet": 10, "erfnet": 10}
    assert any("GPU B" in note for note in comparison.notes)
    assert "GPU B" in to_markdown(comparison, "Title")


def test_several_splits_and_sizes_are_said():
    records = [
        accuracy("lednet", split="test"),
        accuracy("erfnet", split="val"),
        complexity("lednet"),
        complexity("erfnet", shape=(512, 1024)),
    ]
    notes = " ".join(compare(records).notes)
    assert "test, val" in notes
    assert "360x480, 512x1024" in notes


def test_class_table_has_a_column_a_class():
    table = class_table([accuracy(), accuracy(split="val", miou=30)])
    assert table[["split", "road", "sky"]].to_numpy().tolist() == [["test", 51, 49], ["val", 31, 29]]


def test_deleting_a_record_changes_only_what_depended_on_it(tmp_path):
    for network in ("lednet", "erfnet"):
        for record in (accuracy(network), complexity(network), latency(network)):
            path = write_record(record, tmp_path / network)
    write_report([tmp_path], tmp_path / "before")
    path.unlink()  # erfnet's latency
    write_report([tmp_path], tmp_path / "after")
    before, after = (
        pd.read_csv(tmp_path / name / "comparison.csv", dtype=str) for name in ("before", "after")
    )
    assert after[after.network == "lednet"].equals(before[before.network == "lednet"])
    changed = [c for c in before if not before.loc[0, [c]].equals(after.loc[0, [c]])]
    assert changed == ["fps_p50", "latency_ms_p50", "latency_ms_p90", "latency_ms_p99", "unstable"]


def test_damaged_records_are_left_out_and_named(tmp_path):
    write_record(accuracy(), tmp_path)
    (tmp_path / "records" / "accuracy-x.json").write_text("{")
    report = write_report([tmp_path], tmp_path / "out")
    assert report.records == 1
    assert [path.name for path in report.problems] == ["accuracy-x.json"]


@pytest.mark.parametrize("order", [1, -1])
def test_the_same_records_give_the_same_bytes_in_any_order(order, tmp_path):
    records = [accuracy(seed=s, minute=s, miou=50 + s) for s in range(3)] + [complexity(), latency()]
    text = to_markdown(compare(records[::order]), "Title")
    assert text == to_markdown(compare(records), "Title")
