"""A loop over epochs ends, validates after each, and resumes exactly, even in the middle of an epoch."""

import pytest
import torch

from lednet_mm.checkpoints.files import (
    read_checkpoint,
)
from lednet_mm.checkpoints.listing import checkpoints_of
from lednet_mm.records import read_records
from lednet_mm.training.history import epochs_of
from lednet_mm.training.training import train

EPOCHS = (
    "train_cfg = dict(_delete_=True, type='EpochBasedTrainLoop', max_epochs=2, val_interval=1)",
    "default_hooks = dict(checkpoint=dict(interval=1, max_keep_ckpts=9), logger=dict(interval=1))",
    "param_scheduler = [dict(type='PolyLR', power=1.0, eta_min=0.0, by_epoch=True)]",
)
FINITE = "train_dataloader.update(sampler=dict(_delete_=True, type='DefaultSampler', shuffle=True))"
UNTOUCHED = "train_dataloader['dataset']['pipeline'].pop(3)"  # flips that only the endless sampler seeds


@pytest.mark.thorough
@pytest.mark.parametrize("lines", [(), (FINITE, UNTOUCHED)], ids=["endless", "finite"])
def test_epochs_are_exact_on_resume_and_when_more_are_asked_for(lines, quick_config, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    config = quick_config(*EPOCHS, *lines)  # 2 epochs of 3 iterations of 2 images
    run = tmp_path / "run"
    train(config, work_dir=run)
    assert len(checkpoints_of(run)) == 6
    expected = read_checkpoint(run / "iter_6.pth")["state_dict"]

    for last in (4, 3):  # in the middle of an epoch, and at its end before it was validated
        for path in checkpoints_of(run):
            if int(path.stem.split("_")[1]) > last:
                path.unlink()
        train(config, work_dir=run, resume=True)
        state = read_checkpoint(run / "iter_6.pth")["state_dict"]
        assert all(torch.equal(state[name], value) for name, value in expected.items())
    record = newest_training(run)
    assert (record.values["iterations"], record.values["epochs"]) == (6, 2)
    assert [step for step, _ in record.details["validation_curve_miou_percent"]] == [3, 6]

    train(config, work_dir=run, resume=True, options={"train_cfg.max_epochs": 4})
    record = newest_training(run)
    assert record.values["epochs"] == 4
    first, second = record.details["ranges"]
    assert (second["from"], second["to"], second["max_iters"]) == (6, 12, 12)
    assert (first["lr_first"], second["lr_first"]) == pytest.approx((2e-3, 2e-3 / 3))  # of epoch 3 of 4


def newest_training(run):
    records, problems = read_records([run])
    assert problems == {}
    return [record for record in records if record.kind == "train"][-1]


def test_epochs_of_a_run_whose_number_of_processes_changed():
    ranges = [
        {"from": 0, "to": 6},
        {"from": 6, "to": 12, "processes": 2},
        {"from": 12, "to": 15, "processes": 1},
    ]
    # 24 images in batches of 2: an epoch is 12 iterations of one process, 6 of two.
    assert epochs_of(ranges, 12, 1) == (6 + 12 + 3) / 12
    assert epochs_of(ranges[1:], 6, 2) == (12 + 3) / 12
