"""Records are written atomically and checked when written and read; damaged and edited ones are reported."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from lednet_mm import records as module
from lednet_mm.config import run_of
from lednet_mm.errors import InputError
from lednet_mm.files import write_atomically
from lednet_mm.records import (
    Run,
    collect_provenance,
    find_records,
    new_record,
    read_record,
    read_records,
    write_record,
)
from tests.reports.made import accuracy, benchmark, complexity, failure, latency, train

ROOT = Path(__file__).resolve().parents[1]
CEILINGS = {"gflop_per_s_convolution": 1.0, "gb_per_s_copy": 1.0}


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


def test_every_kind_is_read_as_it_was_written(tmp_path):
    made = [
        *(accuracy(), benchmark(), complexity(), failure(), latency()),
        train(curve=[[10, 30.0], [20, None]]),
        latency(roofline={"operations": 5, "minimum_bytes": 3, "ceilings": CEILINGS}),
    ]
    for one in made:
        assert read_record(write_record(one, tmp_path)) == one


def test_every_committed_record_fits_the_format():
    records, problems = read_records([ROOT / "reports"])
    assert problems == {}
    assert {record.kind for record in records} >= {"train", "accuracy", "complexity", "latency", "benchmark"}


def test_provenance_says_what_ran(record, monkeypatch):
    provenance = record.provenance
    assert provenance.versions["torch"] == torch.__version__
    assert provenance.threads == torch.get_num_threads()
    assert provenance.device
    monkeypatch.setenv("LEDNET_COMMAND", "python tools/sweep.py study.py")
    assert collect_provenance().command == "python tools/sweep.py study.py"


def test_code_that_git_does_not_know_is_dirty(tmp_path, monkeypatch):
    def git(*arguments):
        identity = ["-c", "user.name=x", "-c", "user.email=x@x"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True)

    def dirty():
        module._project_state.cache_clear()
        return module._project_state()[1]

    try:
        (tmp_path / "lednet_mm").mkdir()
        (tmp_path / "lednet_mm" / "records.py").write_text("x = 1\n")
        (tmp_path / ".gitignore").write_text("*.log\n")
        git("init")
        git("add", ".")
        git("commit", "-m", "x")
        monkeypatch.setattr(module, "__file__", str(tmp_path / "lednet_mm" / "records.py"))
        assert dirty() is False
        (tmp_path / "notes.txt").write_text("mine")  # not code
        (tmp_path / "lednet_mm" / "run.log").write_text("ignored")
        assert dirty() is False
        (tmp_path / "configs").mkdir()
        (tmp_path / "configs" / "mine.py").write_text("x = 1\n")
        assert dirty() is True
    finally:
        module._project_state.cache_clear()


def put(*path, value):
    """Return a function that changes one entry of a record, or removes it if there is no value."""

    def change(content):
        for key in path[:-1]:
            content = content[key]
        if value is ...:
            del content[path[-1]]
        else:
            content[path[-1]] = value

    return change


MATRICES = ("details", "per_image_confusion")
ODD = [
    # (record, change, what the reason names)
    (accuracy, put("details", "split", value=...), "details.split"),
    (accuracy, put("details", "split", value="../x"), "details.split"),
    (accuracy, put("values", "miou_percent", value=...), "values.miou_percent"),
    (accuracy, put("values", "miou_percent", value="high"), "values.miou_percent"),
    (accuracy, put("values", "miou_percent", value=True), "values.miou_percent"),
    (accuracy, put("values", "miou_percent", value=140.0), "values.miou_percent"),
    (accuracy, put("values", "miou_percent", value=-1), "values.miou_percent"),
    (accuracy, put("values", "network", value="other"), "values.network"),
    (accuracy, put("details", "class_iou_percent", value="x"), "details.class_iou_percent"),
    (accuracy, put("details", "class_iou_percent", value={"": 1.0}), "details.class_iou_percent"),
    (accuracy, put("details", "per_image_names", value=5), "details.per_image_names"),
    (accuracy, put("details", "per_image_names", value=[1]), "details.per_image_names"),
    (accuracy, put(*MATRICES, "dtype", value="|O"), "dtype"),
    (accuracy, put(*MATRICES, "shape", value=[1, 1, 3 << 40]), "shape"),
    (accuracy, put(*MATRICES, "shape", value=[20, 9]), "shape"),
    (accuracy, put("details", "checkpoint", value="../../secret.pth"), "details.checkpoint"),
    (accuracy, put("details", "checkpoint", value="/etc/passwd"), "details.checkpoint"),
    (latency, put("values", "latency_ms_p50", value=0), "values.latency_ms_p50"),
    (latency, put("details", "shape", value=...), "details.shape"),
    (latency, put("details", "shape", value=[0, 4]), "details.shape"),
    (latency, put("details", "samples_ms", value=[]), "details.samples_ms"),
    (latency, put("details", "samples_ms", value=[1.0, -1.0]), "details.samples_ms"),
    (latency, put("details", "samples_ms", value=[10**400]), "details.samples_ms"),
    (latency, put("details", "engine", value=7), "details.engine"),
    (latency, put("details", "roofline", value={"operations": 1}), "details.roofline"),
    (complexity, put("details", "shape", value=...), "details.shape"),
    (complexity, put("values", "params", value=1.5), "values.params"),
    (complexity, put("values", "params", value=-1), "values.params"),
    (complexity, put("values", "macs", value=10**30), "values.macs"),
    (train, put("details", "validation_curve_miou_percent", value="abc"), "curve"),
    (train, put("details", "validation_curve_miou_percent", value=[[1, 2, 3]]), "curve"),
    (train, put("values", "iterations", value="all"), "values.iterations"),
    (train, put("values", "loss", value=float("inf")), "values.loss"),
    (benchmark, put("values", "files_ms_p50", value=0), "files_ms_p50"),
    (benchmark, put("values", "files_ratio", value=...), "files_ratio"),
    (benchmark, put("details", "unit", value=...), "unit"),
    (failure, put("values", "reason", value=None), "values.reason"),
    (failure, put("details", "log_tail", value="line"), "details.log_tail"),
    (train, put("run", "seed", value=10**30), "run.seed"),
    (train, put("run", "seed", value=-1), "run.seed"),
    (train, put("run", "dataset", value="x/../../y"), "run.dataset"),
    (train, put("run", "network", value="n" * 300), "run.network"),
    (train, put("run", "variant", value="a\0b"), "run.variant"),
    (train, put("run", "study", value=""), "run.study"),
    (train, put("id", value="../x"), "id"),
    (train, put("provenance", "date", value="yesterday"), "provenance.date"),
    (train, put("provenance", "date", value="2026-02-30T00:00:00+00:00"), "provenance.date"),
    (train, put("provenance", "threads", value="many"), "provenance.threads"),
    (train, put("config", "text", value="x = 2"), "altered"),
]


@pytest.mark.parametrize(
    ("make", "change", "named"), ODD, ids=[f"{make.__name__} {i}" for i, (make, *_) in enumerate(ODD)]
)
def test_an_odd_record_is_named_in_one_line(make, change, named, tmp_path):
    path = write_record(make(), tmp_path)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    records, problems = read_records([tmp_path])
    assert records == []
    (reason,) = problems.values()
    assert named in reason
    assert "\n" not in reason
    assert len(reason) < 600


def test_what_does_not_fit_is_not_written(record):
    for values in ({"miou_percent": 140}, {"miou_percent": object()}, {"miou_percent": 1, "note": 2}, {}):
        with pytest.raises(ValidationError):
            new_record("accuracy", record.run, "", values, {"split": "val"}, record.provenance)
    with pytest.raises(ValidationError, match="a name has"):
        Run(network="../x", dataset="camvid")


def test_a_config_with_a_name_that_is_a_path_is_one_line():
    from mmengine.config import Config

    with pytest.raises(InputError, match=r"network: a name has .*unlike '\.\./x'") as raised:
        run_of(Config({"network": "../x"}))
    assert "\n" not in str(raised.value)


def test_a_file_name_that_is_no_text_can_be_written(record, tmp_path):
    details = {"split": "val", "per_image_names": ["a\udcff.png"]}
    made = new_record("accuracy", record.run, "", {"miou_percent": 1}, details, record.provenance)
    assert read_record(write_record(made, tmp_path)).details["per_image_names"] == [r"a\udcff.png"]


def test_damaged_and_foreign_files_are_named_and_left_out(record, tmp_path, monkeypatch):
    good = write_record(record, tmp_path)
    content = json.loads(good.read_text())
    bad = {
        "truncated": good.read_text()[:200],
        "foreign": json.dumps({"mIoU": 70.5}),
        "list": "[1, 2]",
        "empty": "",
        "deep": "[" * 100_000 + "]" * 100_000,
        "newer": json.dumps({**content, "schema": 99}),
        "text-as-number": json.dumps({**content, "run": {**content["run"], "seed": "zero"}}),
        "without-values": json.dumps({k: v for k, v in content.items() if k != "values"}),
        "unknown-kind": json.dumps({**content, "kind": "guess"}),
        "surplus": json.dumps({**content, "note": "typed by hand"}),
        "large": json.dumps(content) + " " * (1 << 18),
        "many": json.dumps({**content, "values": dict.fromkeys(map(str, range(1001)), "x")}),
    }
    monkeypatch.setattr(module, "LARGEST", 1 << 18)
    monkeypatch.setattr(module, "ENTRIES", 1000)
    for name, text in bad.items():
        (good.parent / f"{name}.json").write_text(text)
    (good.parent / "bytes.json").write_bytes(b"\xff\xfe\0")
    os.mkfifo(good.parent / "pipe.json")
    records, problems = read_records([tmp_path])
    assert records == [record]
    assert {path.stem for path in problems} == {*bad, "bytes", "pipe"}
    assert all("\n" not in reason for reason in problems.values())
    assert "schema 99" in problems[good.parent / "newer.json"]
    assert "run.seed" in problems[good.parent / "text-as-number.json"]
    assert problems[good.parent / "pipe.json"] == "not a regular file"
    assert problems[good.parent / "foreign.json"] == "not a record of this project"
    assert problems[good.parent / "large.json"].startswith("larger than")
    assert problems[good.parent / "many.json"] == "more than 1,000 entries"


def test_records_are_found_in_folders_of_that_name(record, tmp_path):
    path = write_record(record, tmp_path / "run")
    (tmp_path / "run" / "scalars.json").write_text("{}")
    (tmp_path / "run" / "records" / ".hidden.json").write_text("{}")
    assert find_records([tmp_path]) == [path]


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file.json"
    write_atomically(path, b"old")

    def fail(descriptor):
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"


def test_the_default_variant_of_earlier_records_keeps_its_meaning():
    assert Run(network="lednet", dataset="camvid", variant="baseline").variant == "default"
    assert Run(network="lednet", dataset="camvid").variant == "default"
    assert Run(network="lednet", dataset="camvid", variant="no_apn").variant == "no_apn"
