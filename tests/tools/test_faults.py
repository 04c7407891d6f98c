"""Every mistake ends with one clear line, a non-zero exit, and nothing lost."""

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmseg.registry import MODELS

from lednet_mm.checkpoints.files import checkpoints_of
from lednet_mm.config import load_config


@pytest.fixture
def streets(small_streets, tmp_path) -> Path:
    """A copy of the small set that a test may damage."""
    return Path(shutil.copytree(small_streets, tmp_path / "streets"))


@pytest.fixture
def checkpoint(small_config, tmp_path) -> Path:
    """Untrained weights of the small config's network."""
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": MODELS.build(load_config(small_config()).model).state_dict()}, path)
    return path


def assert_one_line(outcome, *parts):
    lines = outcome.err.strip().splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert outcome.status == 2
    assert len(errors) == 1, outcome.err
    assert "Traceback" not in outcome.err
    for part in parts:
        assert str(part) in errors[0]


def pair(streets, index=0):
    image = sorted(streets.rglob("train/**/*_leftImg8bit.png"))[index]
    label = Path(
        str(image).replace("leftImg8bit/", "gtFine/").replace("leftImg8bit.png", "gtFine_labelTrainIds.png")
    )
    assert label.exists()
    return image, label


def unreadable(image, label):
    image.write_bytes(image.read_bytes()[:500])
    return image


def unlabelled(image, label):
    label.unlink()
    return label


def of_another_size(image, label):
    cv2.imwrite(str(label), np.zeros((32, 64), np.uint8))
    return label


def out_of_range(image, label):
    ids = cv2.imread(str(label), cv2.IMREAD_UNCHANGED)
    ids[:4, :4] = 77
    cv2.imwrite(str(label), ids)
    return label


@pytest.mark.parametrize("fault", [unreadable, unlabelled, of_another_size, out_of_range])
def test_faulty_data_stop_a_training_before_it_starts(fault, streets, small_config, tool, tmp_path):
    path = fault(*pair(streets))
    outcome = tool("train", small_config(data=streets), "--work-dir", tmp_path / "run")
    assert_one_line(outcome, "train data", path)
    assert checkpoints_of(tmp_path / "run") == []


def test_a_missing_dataset_says_how_to_get_it(small_config, tool, tmp_path):
    outcome = tool("train", small_config(data=tmp_path / "nowhere"), "--work-dir", tmp_path / "run")
    assert_one_line(outcome, tmp_path / "nowhere", "tools/prepare_dataset.py streets")


def test_a_config_that_does_not_exist(tool):
    assert_one_line(
        tool("train", "configs/lednet_citysscapes.py"), "configs/lednet_citysscapes.py", "no such config"
    )


def test_a_config_with_an_error(tool, tmp_path):
    (tmp_path / "bad.py").write_text("model = dict(type=\n")
    assert_one_line(tool("train", tmp_path / "bad.py"), tmp_path / "bad.py")


def test_a_loss_that_is_no_number(small_config, tool, tmp_path):
    config = small_config("optim_wrapper = dict(optimizer=dict(lr=1e30, weight_decay=0))")
    outcome = tool("train", config, "--work-dir", tmp_path / "run")
    assert_one_line(outcome, "the loss became", "at iteration", "last good checkpoint")


def test_an_earlier_run_is_not_overwritten(small_config, tool, tmp_path, checkpoint):
    run = tmp_path / "run"
    run.mkdir()
    kept = shutil.copy(checkpoint, run / "iter_500.pth")
    before = Path(kept).read_bytes()
    assert_one_line(tool("train", small_config(), "--work-dir", run), run, "--resume")
    assert Path(kept).read_bytes() == before


def test_a_checkpoint_of_another_network(small_config, tool, checkpoint):
    other = small_config("model = dict(decode_head=dict(attention_pyramid=False))")
    assert_one_line(tool("test", other, checkpoint), checkpoint, "another network", "decode_head")


def test_a_checkpoint_that_would_execute_code(small_config, tool, tmp_path):
    class Attack:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'executed'}",)

    torch.save({"state_dict": {}, "meta": Attack()}, tmp_path / "attack.pth")
    assert_one_line(
        tool("test", small_config(), tmp_path / "attack.pth"), "attack.pth", "execute code", "system"
    )
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"not a checkpoint"])
def test_a_file_that_is_no_checkpoint(content, small_config, tool, tmp_path):
    (tmp_path / "broken.pth").write_bytes(content)
    assert_one_line(tool("test", small_config(), tmp_path / "broken.pth"), "broken.pth")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_gpu_that_is_not_there(small_config, tool, tmp_path, checkpoint, small_streets):
    assert_one_line(tool("benchmark", small_config(), "--device", "cuda"), "cuda", "0 GPUs")
    outcome = tool(
        "predict", small_config(), checkpoint, small_streets, "--out", tmp_path, "--device", "cuda:1"
    )
    assert_one_line(outcome, "cuda:1")
    assert_one_line(
        tool("train", small_config(), "--amp", "--work-dir", tmp_path / "run"), "--amp needs a GPU"
    )


def test_no_records_to_report(tool, tmp_path):
    assert_one_line(tool("report", tmp_path, "--out", tmp_path / "out"), "no records below")
    assert_one_line(tool("report", tmp_path / "nowhere", "--out", tmp_path / "out"), "no such folder")
