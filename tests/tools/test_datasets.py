"""The commands that check and prepare datasets, and the demo's treatment of an existing set."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lednet_mm.datasets.check import fingerprint
from lednet_mm.datasets.streets import generate_streets
from lednet_mm.records import write_record
from tests.datasets.small_sets import make_camvid, make_cityscapes
from tests.reports.made import train


def test_the_check_prints_both_hashes_and_writes_all(small_config, tool, tmp_path):
    out = tmp_path / "found.json"
    done = tool("check_dataset", small_config(), "--split", "train", "val", "--json", out)
    assert done.status == 0
    facts = json.loads(out.read_text())
    assert facts["train"]["content"].startswith("content:")
    assert facts["train"]["fingerprint"] != facts["val"]["fingerprint"]
    for split in ("train", "val"):
        assert f"{split}: {facts[split]['fingerprint']} {facts[split]['content']}" in done.out.splitlines()
    before = out.read_bytes()
    refused = tool("check_dataset", small_config(), "--json", out)
    assert refused.status == 2
    assert "--overwrite" in refused.err
    assert out.read_bytes() == before
    assert tool("check_dataset", small_config(), "--split", "val", "--json", out, "--overwrite").status == 0
    assert json.loads(out.read_text()).keys() == {"val"}


def test_no_input_of_the_check_is_replaced(small_config, tool, tmp_path, small_streets):
    data = shutil.copytree(small_streets, tmp_path / "set")
    config = small_config(data=data)
    child = tmp_path / "child.py"
    child.write_text("_base_ = 'small.py'\n")
    files = sorted(path for path in data.rglob("*.png"))
    before = {path: path.read_bytes() for path in (config, files[0], files[-1])}
    for target in before:
        done = tool("check_dataset", child, "--json", target, "--overwrite")
        assert (done.status, done.err.count("\n")) == (2, 1), target
        assert "is itself an input" in done.err
    assert {path: path.read_bytes() for path in before} == before


def test_a_place_that_cannot_be_written_is_said_before_the_check(small_config, tool, tmp_path):
    (tmp_path / "file").write_text("")
    done = tool("check_dataset", small_config(), "--json", tmp_path / "file/x.json")
    assert done.status == 2
    assert done.out == ""


def test_cityscapes(tool, tmp_path):
    root = make_cityscapes(tmp_path)
    assert "8 labelTrainIds written, 0 were there" in tool("prepare_dataset", "cityscapes", root).out
    assert "0 labelTrainIds written, 8 were there" in tool("prepare_dataset", "cityscapes", root).out


def test_camvid_of_other_pixels_is_installed_and_said(tool, tmp_path):
    done = tool("prepare_dataset", "camvid", make_camvid(tmp_path / "a"), "--target", tmp_path / "b")
    assert done.status == 0
    assert "are not those of CamVid as SegNet published it" in done.out
    assert (tmp_path / "b/train").is_dir()


@pytest.mark.parametrize("git", ["exit 1", None])
def test_a_download_that_fails_leaves_nothing(git, tool, tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    if git is not None:
        (folder / "git").write_text(f"#!/bin/sh\n{git}\n")
        (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    done = tool("prepare_dataset", "camvid", "--download", "--target", tmp_path / "data/camvid")
    assert done.status == 2
    assert "needs git and a network connection" in done.err
    assert list((tmp_path / "data").iterdir()) == []


def test_a_download_of_other_images_is_refused(tool, tmp_path, monkeypatch):
    make_camvid(tmp_path / "CamVid")
    (tmp_path / "bin").mkdir()
    script = (
        f'#!/bin/sh\ncase "$*" in *checkout*) {shutil.which("cp")} -r {tmp_path / "CamVid"} "$2";; esac\n'
    )
    (tmp_path / "bin/git").write_text(script)
    (tmp_path / "bin/git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    done = tool("prepare_dataset", "camvid", "--download", "--target", tmp_path / "data/camvid")
    assert done.status == 2
    assert "are not the known files of CamVid" in done.err
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.parametrize(
    "options",
    [["--seed", "-1"], ["--workers", "0"], ["--size", "0", "0"], ["--train", "0"], ["--train", "5"]],
)
def test_streets_of_other_or_impossible_parameters(options, tool, small_streets):
    before = {path: path.stat().st_mtime_ns for path in Path(small_streets).rglob("*")}
    base = ["--train", 6, "--val", 2, "--size", 64, 128, "--seed", 1]
    assert tool("prepare_dataset", "streets", "--root", small_streets, *base).status == 0
    done = tool("prepare_dataset", "streets", "--root", small_streets, *base, *options)
    assert done.status == 2
    assert done.err.count("\n") == 1
    assert {path: path.stat().st_mtime_ns for path in Path(small_streets).rglob("*")} == before


def test_the_demo_keeps_a_set_of_other_parameters(tool, tmp_path, monkeypatch):
    generate_streets(tmp_path / "data/streets", train=1, val=1, size=(32, 64))
    split = {"type": "StreetsDataset", "data_root": str(tmp_path / "data/streets")}
    before = fingerprint(split)
    monkeypatch.chdir(tmp_path)
    done = tool("demo")
    assert done.status == 2
    assert "holds streets with other parameters" in done.err
    assert fingerprint(split) == before


def test_the_demo_does_not_report_runs_of_another_length(tool, tmp_path, monkeypatch):
    write_record(train(), tmp_path / "w/lednet")
    monkeypatch.setattr("lednet_mm.datasets.streets.generate_streets", lambda root: False)
    done = tool("demo", "--work-dir", tmp_path / "w", "--iterations", 20)
    assert done.status == 2
    assert "was trained for 100 iterations, not 20" in done.err
    assert tool("demo", "--work-dir", tmp_path / "w", "--iterations", 0).status == 2
