"""Records: written whole, validated both ways, damaged ones named."""

import json

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from lednet_mm.files import write_atomically
from lednet_mm.records import Run, collect_provenance, new_record, read_record, read_records, write_record


@pytest.fixture
def record():
    values = {"miou_percent": np.float32(48.75), "category_iou_percent": float("nan")}
    details = {"class_iou_percent": {"road": np.float64(90.5)}, "split": "val", "images": torch.tensor(3)}
    run = Run(network="lednet", dataset="camvid", seed=0)
    return new_record("accuracy", run, "x = 1", values, details, collect_provenance())


def test_written_and_read_it_is_the_same(record, tmp_path):
    path = write_record(record, tmp_path)
    assert path.parent == tmp_path / "records"
    assert path.name == f"accuracy-{record.id}.json"
    assert read_record(path) == record
    content = json.loads(path.read_text())
    assert content["schema"] == 1
    assert content["values"] == {"miou_percent": 48.75, "category_iou_percent": None}
    assert list(tmp_path.rglob("*.part")) == []


def test_provenance_says_what_ran(record):
    provenance = record.provenance
    assert provenance.versions["torch"] == torch.__version__
    assert provenance.threads == torch.get_num_threads()
    assert provenance.device


def test_damaged_and_foreign_files_are_named_and_left_out(record, tmp_path):
    good = write_record(record, tmp_path)
    content = json.loads(good.read_text())
    bad = {
        "truncated": good.read_text()[:200],
        "foreign": json.dumps({"mIoU": 70.5}),
        "newer": json.dumps({**content, "schema": 99}),
        "text-as-number": json.dumps({**content, "run": {**content["run"], "seed": "zero"}}),
        "without-values": json.dumps({k: v for k, v in content.items() if k != "values"}),
        "unknown-kind": json.dumps({**content, "kind": "guess"}),
        "surplus": json.dumps({**content, "note": "typed by hand"}),
    }
    for name, text in bad.items():
        (good.parent / f"{name}.json").write_text(text)
    records, problems = read_records([tmp_path])
    assert records == [record]
    assert {path.stem for path in problems} == set(bad)
    assert "schema 99" in problems[good.parent / "newer.json"]
    assert "run.seed" in problems[good.parent / "text-as-number.json"]


def test_a_value_that_json_cannot_hold_is_refused(record):
    with pytest.raises(ValidationError):
        new_record("accuracy", record.run, "", {"miou_percent": object()}, {}, record.provenance)


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file.json"
    write_atomically(path, b"old")

    def fail(descriptor):
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
