"""Every command works with a dataset of the user's own, for which there is only a YAML file."""

import json
from pathlib import Path

import pytest
import torch

from lednet_mm.records import read_records
from tests.datasets.small_sets import make_pairs, write_card

SHORT = ["train_cfg.max_iters=2", "train_cfg.val_interval=2", "train_dataloader.batch_size=2"]


@pytest.mark.thorough
def test_it_is_checked_trained_tested_predicted_planned_and_reported(tmp_path: Path, tool) -> None:
    for split in ("train", "val"):
        make_pairs(tmp_path / "data" / split)
    folders = {s: {"images": f"{s}/images", "labels": f"{s}/masks"} for s in ("train", "val")}
    card = write_card(tmp_path, crop_size=[64, 96], splits=folders)
    named = ("lednet", "--dataset", card)

    checked = tool("check_dataset", card)
    assert checked.status == 0, checked.err
    assert "pothole" in checked.out

    run = tmp_path / "run"
    trained = tool("train", *named, "--work-dir", run, "--cfg-options", *SHORT)
    assert trained.status == 0, trained.err
    tested = tool("test", *named, run / "iter_2.pth", "--work-dir", tmp_path / "tested")
    assert tested.status == 0, tested.err
    records, problems = read_records([run, tmp_path / "tested"])
    assert not problems
    assert {record.run.dataset for record in records} == {"potholes"}
    (accuracy,) = read_records([tmp_path / "tested"])[0]
    assert list(accuracy.details["class_iou_percent"]) == ["road", "pothole"]

    out = tmp_path / "predicted"
    predicted = tool(
        "predict", *named, run / "iter_2.pth", tmp_path / "data" / "val" / "images", "--out", out
    )
    assert predicted.status == 0, predicted.err
    assert len(list(out.rglob("*.png"))) == 6
    shown = tool("print_config", *named, "--variant", "no_apn")
    assert "'num_classes': 2" in shown.out

    (tmp_path / "mine.py").write_text(
        "title = 'Potholes'\n"
        f"runs = [dict(networks=['enet'], datasets=[{card.name!r}])]\n"  # relative to the study
        f"options = {json.dumps(dict(o.split('=') for o in SHORT))}\n".replace('"2"', "2")
        + "measure = dict(accuracy='val')\n"
    )
    planned = tool("sweep", tmp_path / "mine.py", "--dry-run", "--work-dir", tmp_path / "sweep")
    assert planned.status == 0, planned.err
    assert "enet-default-potholes-seed0" in planned.out
    report = tool("report", run, tmp_path / "tested", "--out", tmp_path / "report")
    assert report.status == 0, report.err
    assert "potholes" in (tmp_path / "report" / "summary.md").read_text()
    assert torch.load(run / "iter_2.pth", weights_only=True)["state_dict"]


def test_a_yaml_file_is_no_config(tmp_path: Path, tool) -> None:
    make_pairs(tmp_path / "data")
    card = write_card(tmp_path)
    outcome = tool("train", card)
    assert outcome.status == 2
    assert "goes with a network: lednet --dataset" in outcome.err
