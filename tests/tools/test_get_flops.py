"""get_flops: tables, records, the JSON file, and mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lednet_mm.records import read_records

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.thorough
def test_several_networks_side_by_side(tool, tmp_path):
    out = tmp_path / "flops.json"
    outcome = tool(
        "get_flops",
        *("lednet", "segformer_b0_mmseg", "lednet:apn128", "--dataset", "camvid"),
        *("--shape", 64, 96, "--json", out, "--work-dir", tmp_path / "work"),
    )
    assert outcome.status == 0, outcome.err
    rows = json.loads(out.read_text())
    assert [row["network"] for row in rows] == ["lednet", "segformer_b0_mmseg", "lednet"]
    assert [row["variant"] for row in rows] == ["default", "default", "apn128"]
    lednet, segformer, _ = rows
    assert lednet["shape"] == [64, 96]
    assert lednet["macs"] == sum(lednet["counters"]["fvcore"].values())
    assert set(lednet["counters"]) == {"fvcore", "ptflops_pytorch", "ptflops_aten", "torch"}
    assert lednet["missed"]["torch"]["batch_norm"] == 63
    assert lednet["params"] == lednet["params_train"] == 920_725
    assert set(segformer["failed"]) == {"ptflops_pytorch"}
    # What is shown is what was counted, and why the counters differ is said.
    assert "ptflops_pytorch fails: ValueError" in outcome.out
    assert "torch against fvcore" in outcome.out
    assert f"{lednet['macs'] / 1e9:.3f}" in outcome.out
    assert "final upsampling included" in outcome.out

    records, faults = read_records([tmp_path / "work"])
    assert not faults
    assert sorted(record.values["macs"] for record in records) == sorted(row["macs"] for row in rows)
    details = next(r.details for r in records if r.values["macs"] == lednet["macs"])
    assert {key: details[key] for key in ("counters", "missed", "shape")} == {
        key: lednet[key] for key in ("counters", "missed", "shape")
    }


@pytest.mark.thorough
def test_a_mistake_loses_nothing_that_was_counted(tool, tmp_path):
    out = tmp_path / "flops.json"
    outcome = tool(
        "get_flops",
        *(ROOT / "configs" / "nothing.py", ROOT / "configs" / "lednet_camvid.py"),
        *("--shape", 32, 64, "--json", out, "--work-dir", tmp_path),
    )
    assert outcome.status == 2
    assert outcome.err.strip().splitlines()[-1].startswith("error: ")
    assert "nothing.py: no such config" in outcome.err
    assert len(json.loads(out.read_text())) == 1
    assert "lednet" in outcome.out


def test_a_shape_without_pixels(tool, tmp_path):
    outcome = tool(
        "get_flops", ROOT / "configs" / "lednet_camvid.py", "--shape", 0, 64, "--work-dir", tmp_path
    )
    assert outcome.status == 2
    assert "above 0" in outcome.err


@pytest.mark.thorough
def test_no_file_of_the_users_is_replaced(small_config, tool, tmp_path):
    config = small_config()
    text = config.read_text()
    arguments = [config, "--shape", 64, 128, "--work-dir", tmp_path / "w", "--json"]
    other = tmp_path / "other.json"
    other.write_text("mine")
    base, child = tmp_path / "base.py", tmp_path / "child.py"
    base.write_text(text)
    child.write_text("_base_ = ['{{ fileDirname }}/base.py']\n")
    outcome = tool("get_flops", config, child, *arguments[1:], base, "--overwrite")
    assert (outcome.status, base.read_text()) == (2, text)
    assert "is itself an input" in outcome.err
    for target, options, reason in [
        (config, ["--overwrite"], "is itself an input"),
        (other, [], "--overwrite replaces it"),
        (tmp_path, [], "is a folder"),
        ("", [], "is not a file name"),
        (other / "x.json", [], "a file stands where a folder is needed"),
    ]:
        outcome = tool("get_flops", *arguments, target, *options)
        assert (outcome.status, outcome.err.count("\n")) == (2, 1)
        assert reason in outcome.err
    assert (config.read_text(), other.read_text()) == (text, "mine")
    assert not (tmp_path / "w").exists() or not list((tmp_path / "w").rglob("*.json"))
    assert tool("get_flops", *arguments, other, "--overwrite").status == 0
    assert len(json.loads(other.read_text())) == 1


@pytest.mark.thorough
def test_what_is_counted_is_printed_where_it_cannot_be_kept(small_config, tool, tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("lednet_mm.records.write_atomically", full)
    outcome = tool("get_flops", small_config(), "--shape", 64, 128, "--work-dir", tmp_path / "w")
    assert outcome.status == 2
    assert "fvcore (G MACs)" in outcome.out
    assert "a record is lost: " in outcome.err
    assert "No space left on device" in outcome.err
