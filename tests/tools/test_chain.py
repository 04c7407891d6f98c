"""The whole chain on a small generated set: train, test, predict, count, time and report."""

import json

import cv2
import numpy as np
import pandas as pd
import pytest

from lednet_mm.datasets.cityscapes_ids import LABEL_ID_OF_TRAIN_ID
from lednet_mm.files import file_sha256
from lednet_mm.records import read_records


@pytest.fixture
def trained(small_config, tool, tmp_path):
    """A config and the checkpoint of its short training."""
    config = small_config("train_cfg = dict(max_iters=4, val_interval=4)")
    assert tool("train", config, "--work-dir", tmp_path / "run", "--seed", 3).status == 0
    return config, tmp_path / "run" / "iter_4.pth"


def test_the_chain(trained, tool, tmp_path, small_streets):
    config, checkpoint = trained
    run = tmp_path / "run"
    tested = tool("test", config, checkpoint, "--split", "test", "--work-dir", run)
    assert tested.status == 0
    assert "the test_dataloader of this config holds the val data" in tested.out
    counted = tool(
        "get_flops", config, "--shape", 64, 128, "--work-dir", run, "--json", tmp_path / "flops.json"
    )
    assert counted.status == 0
    timed = tool("benchmark", config, "--shape", 64, 128, "--samples", 5, "--seconds", 2, "--work-dir", run)
    assert timed.status == 0
    assert "FPS" in timed.out

    records, problems = read_records([run])
    assert problems == {}
    assert sorted(r.kind for r in records) == ["accuracy", "accuracy", "complexity", "latency", "train"]
    (val, test) = (r for r in records if r.kind == "accuracy")
    # Validation after training and the test tool see the same weights and, on streets, the same images.
    assert (val.details["split"], test.details["split"]) == ("val", "val")
    assert val.values == test.values
    assert val.provenance.checkpoint_sha256 == test.provenance.checkpoint_sha256
    (row,) = json.loads((tmp_path / "flops.json").read_text())
    assert row["network"] == "lednet"
    assert row["macs"] == sum(row["counters"]["fvcore"].values())

    assert tool("report", run, "--out", tmp_path / "report").status == 0
    table = pd.read_csv(tmp_path / "report" / "comparison.csv")
    assert len(table) == 1
    line = table.iloc[0]
    assert (line.network, line.variant, line.seed) == ("lednet", "default", 3)
    assert line.miou_percent == pytest.approx(test.values["miou_percent"], abs=1e-4)
    assert line.params == row["params"]
    assert line.macs == row["macs"]
    assert line.fps_p50 > 0
    assert (tmp_path / "report" / "latency.png").stat().st_size > 5000

    first = {p.name: p.read_bytes() for p in (tmp_path / "report").iterdir()}
    assert tool("report", run, "--out", tmp_path / "again").status == 0
    assert {p.name: p.read_bytes() for p in (tmp_path / "again").iterdir()} == first


@pytest.mark.thorough
@pytest.mark.parametrize("form", ["color", "overlay", "ids"])
def test_predictions_as_pictures(form, trained, tool, tmp_path, small_streets):
    config, checkpoint = trained
    images = small_streets / "leftImg8bit" / "val"
    out = tmp_path / form
    assert tool("predict", config, checkpoint, images, "--out", out, "--as", form).status == 0
    written = sorted(out.rglob("*.png"))
    assert len(written) == 2
    picture = cv2.imread(str(written[0]), cv2.IMREAD_UNCHANGED)
    assert picture.shape == ((64, 128) if form == "ids" else (64, 128, 3))
    if form == "ids":
        assert set(np.unique(picture)) <= set(LABEL_ID_OF_TRAIN_ID)


@pytest.mark.thorough
def test_published_weights_are_small_and_predict_alike(trained, tool, tmp_path):
    config, checkpoint = trained
    published = tmp_path / "published.pth"
    made = tool("publish_model", checkpoint, published)
    assert made.status == 0
    assert published.stat().st_size < checkpoint.stat().st_size / 4
    assert file_sha256(published) in made.out.replace("\n", "")
    scores = {}
    for name, path in (("trained", checkpoint), ("published", published)):
        assert tool("test", config, path, "--split", "val", "--work-dir", tmp_path / name).status == 0
        (record,) = read_records([tmp_path / name])[0]
        assert record.run.seed == 3
        assert record.provenance.checkpoint_sha256 == file_sha256(path)
        scores[name] = record.values["pixel_accuracy_percent"]
    assert scores["published"] == pytest.approx(scores["trained"], abs=0.5)
    assert tool("publish_model", published, published).status == 2
