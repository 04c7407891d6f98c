"""Early stopping, pictures, trackers, accumulated and clipped gradients, frozen parts."""

import shutil
from importlib.util import find_spec
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmseg.registry import MODELS

from lednet_mm.checkpoints.reading import read_checkpoint
from lednet_mm.config import Choice, load_config
from lednet_mm.errors import InputError
from lednet_mm.training import comfort
from lednet_mm.training.comfort import StopHook
from lednet_mm.training.training import train
from tests.training.small import small


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def weights(folder, iteration):
    return read_checkpoint(folder / f"iter_{iteration}.pth")["state_dict"]


def run_of(curve):
    """Return a runner whose checkpoint holds a validation curve."""
    return SimpleNamespace(
        message_hub=SimpleNamespace(runtime_info={"miou_curve": [[i, v] for i, v in enumerate(curve)]}),
        train_loop=SimpleNamespace(stop_training=False),
        logger=SimpleNamespace(info=lambda line: None),
    )


@pytest.mark.parametrize("interrupted", range(7))
def test_a_training_ends_where_it_would_without_an_interruption(interrupted):
    curve = [10.0, 12.0, 12.04, 11.0, 12.3, 12.2, 12.39, 12.35]  # 12.3 is the best by 0.1 points
    runner = run_of(curve[:interrupted])
    hook = StopHook(monitor="mIoU", min_delta=0.1, patience=3)
    hook.before_train(runner)
    for value in curve[interrupted:]:
        assert not runner.train_loop.stop_training
        hook.after_val_epoch(runner, {"mIoU": value})
        if runner.train_loop.stop_training:
            break
    assert value == 12.35


def test_what_can_decide_is_said():
    with pytest.raises(InputError, match="none of mIoU, val_loss"):
        StopHook(monitor="mAcc")
    hook = StopHook(monitor="val_loss")
    with pytest.raises(InputError, match="no val_loss here"):
        hook.after_val_epoch(run_of([]), {"mIoU": 3.0})


@pytest.mark.thorough
def test_a_run_that_ends_early_leaves_its_weights_and_records(small_config, tmp_path):
    hook = "dict(type='StopHook', monitor='val_loss', min_delta=100.0, patience=1)"
    config = small_config("train_cfg = dict(val_interval=2)", f"default_hooks['early_stopping'] = {hook}")
    train(config, work_dir=tmp_path / "run")
    assert (tmp_path / "run" / "iter_4.pth").is_file()
    assert not (tmp_path / "run" / "iter_6.pth").exists()
    assert len(list((tmp_path / "run" / "records").glob("train-*.json"))) == 1
    train(config, work_dir=tmp_path / "run", resume=True)  # it stays ended
    assert not (tmp_path / "run" / "iter_6.pth").exists()


@pytest.mark.thorough
def test_pictures_change_nothing_and_show_input_truth_and_prediction(
    small_config, tmp_path, one_thread, monkeypatch
):
    lines = ("train_cfg = dict(max_iters=2, val_interval=2)",)
    train(small_config(*lines), work_dir=tmp_path / "plain")
    shown = []
    overlay = comfort.overlay
    monkeypatch.setattr(comfort, "overlay", lambda *given: shown.append(given) or overlay(*given))
    hook = "default_hooks['pictures'] = dict(type='TrainingPictureHook', interval=2)"
    train(small_config(*lines, hook), work_dir=tmp_path / "drawn")
    assert same(weights(tmp_path / "plain", 2), weights(tmp_path / "drawn", 2))
    (path,) = (tmp_path / "drawn").glob("*/vis_data/vis_image/training_2.png")
    height, width = cv2.imread(str(path)).shape[:2]
    (pixels, truth, palette), (_, predicted, _) = shown
    assert (height, width) == (pixels.shape[0], 3 * pixels.shape[1])
    assert truth.shape == predicted.shape == pixels.shape[:2]
    assert np.unique(truth).size > 2
    drawn = cv2.imread(str(path))[..., ::-1]
    assert np.array_equal(drawn[:, : pixels.shape[1]], pixels)
    assert np.array_equal(drawn[:, pixels.shape[1] : 2 * pixels.shape[1]], overlay(pixels, truth, palette))


@pytest.mark.thorough
def test_accumulated_gradients_are_those_of_a_batch_of_both(small_streets, tmp_path, one_thread):
    choice = Choice("dabnet", "streets", "common+accumulate")
    options = {
        **small(choice, small_streets, iterations=4),
        "default_hooks.checkpoint.interval": 2,
        "optim_wrapper.optimizer": {"_delete_": True, "type": "SGD", "lr": 0.1},
    }
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(choice, work_dir=whole, options=options)
    cut.mkdir()
    shutil.copy(whole / "iter_2.pth", cut)
    train(choice, work_dir=cut, options=options, resume=True)
    assert same(weights(whole, 4), weights(cut, 4))
    with pytest.raises(InputError, match=r"interval = 1 is not a multiple of .*accumulative_counts = 2"):
        train(choice, work_dir=tmp_path / "odd", options={**options, "default_hooks.checkpoint.interval": 1})


def test_clipped_gradients_have_the_norm():
    config = load_config(Choice("lednet", "streets", "lednet_authors+clip_gradients"))
    model = torch.nn.Linear(30, 30)
    wrapper = build_optim_wrapper(model, config.optim_wrapper)
    loss = (1000 * model(torch.ones(2, 30))).sum()
    norms = []
    step = wrapper.optimizer.step
    wrapper.optimizer.step = lambda: (
        norms.append(torch.stack([p.grad.norm() for p in model.parameters()]).norm()),
        step(),
    )
    wrapper.update_params(loss)
    assert norms[0] == pytest.approx(1.0, rel=1e-4)


def test_a_frozen_encoder_stays_as_it_is(small_streets, tmp_path):
    choice = Choice("lednet", "streets", "common+freeze_encoder")
    train(choice, work_dir=tmp_path / "run", options=small(choice, small_streets))
    first, last = (weights(tmp_path / "run", i) for i in (1, 2))
    assert {name.split(".")[0] for name in first if not torch.equal(first[name], last[name])} == {
        "decode_head"
    }
    model = MODELS.build(load_config(choice).model)
    assert not any(part.training for part in model.train().backbone.modules())
    assert model.decode_head.training
    with pytest.raises(ValueError, match="no part 'neck'"):
        MODELS.build(load_config(choice, {"model.frozen": ["neck"]}).model)


def test_a_tracker_that_is_not_installed_is_one_line(small_config, tool, tmp_path, monkeypatch):
    monkeypatch.setattr("lednet_mm.options.find_spec", lambda name: None)
    failed = tool("train", small_config(), "--work-dir", tmp_path / "run", "--tracker", "tensorboard")
    assert failed.status == 2
    assert "tensorboard is not installed: pip install -e" in failed.err


@pytest.mark.skipif(find_spec("tensorboard") is None, reason="needs tensorboard")
def test_tensorboard_gets_losses_scores_and_pictures(small_config, tool, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    hook = "default_hooks['pictures'] = dict(type='TrainingPictureHook', interval=2)"
    config = small_config("train_cfg = dict(max_iters=2, val_interval=2)", hook)
    done = tool("train", config, "--work-dir", tmp_path / "run", "--tracker", "tensorboard")
    assert done.status == 0, done.err
    (events,) = (tmp_path / "run").glob("*/vis_data/events*")
    found = EventAccumulator(str(events))
    found.Reload()
    assert {"loss", "lr", "mIoU", "val_loss"} <= set(found.Tags()["scalars"])
    assert found.Tags()["images"] == ["training"]
