"""What a validation leaves: the loss in the log and the record, and the best weights beside the last."""

import json

import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS
from mmseg.registry import MODELS

from lednet_mm.checkpoints.files import load_model
from lednet_mm.checkpoints.reading import read_checkpoint
from lednet_mm.config import load_config
from lednet_mm.records import read_records
from lednet_mm.training.training import train


def loss_by_hand(config, checkpoint):
    """Return the mean over val of the weighted cross entropy of the logits at the labels' size."""
    model = MODELS.build(config.model).eval()
    load_model(model, checkpoint, config)
    losses = []
    for sample in DATASETS.build(config.val_dataloader.dataset):
        data = model.data_preprocessor(pseudo_collate([sample]))
        label = data["data_samples"][0].gt_sem_seg.data
        with torch.no_grad():
            logits = model.logits(data["inputs"])
        logits = torch.nn.functional.interpolate(logits, label.shape[1:], mode="bilinear")
        weights = torch.tensor(config.model.class_weight)
        losses.append(torch.nn.functional.cross_entropy(logits, label, weights, ignore_index=255).item())
    return sum(losses) / len(losses)


@pytest.mark.thorough
def test_the_validation_loss_and_the_best_weights(small_config, tmp_path, one_thread):
    path = small_config(
        "train_cfg = dict(max_iters=6, val_interval=2)",
        "optim_wrapper = dict(optimizer=dict(lr=1e-2))",
    )
    config = load_config(path)
    run = tmp_path / "run"
    options = {
        "default_hooks.checkpoint.save_best": "mIoU",  # as the option keep_best
        "default_hooks.checkpoint.max_keep_ckpts": 9,
    }
    train(path, work_dir=run, options=options)
    records = {record.kind: record for record in read_records([run])[0]}
    trained, tested = records["train"], records["accuracy"]
    curve = trained.details["validation_curve_loss"]
    assert [step for step, _ in curve] == [2, 4, 6]
    for step, loss in curve:
        assert loss == pytest.approx(loss_by_hand(config, run / f"iter_{step}.pth"), rel=1e-4)
    assert trained.values["val_loss"] == curve[-1][1]
    (log,) = run.glob("*/vis_data/scalars.json")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["val_loss"] for line in lines if "val_loss" in line] == pytest.approx(
        [loss for _, loss in curve]
    )

    best, _ = max(trained.details["validation_curve_miou_percent"], key=lambda point: (point[1], -point[0]))
    name = trained.details["best_checkpoint"]
    assert name == f"best_mIoU_iter_{best}.pth"
    ours, theirs = (read_checkpoint(run / file)["state_dict"] for file in (name, f"iter_{best}.pth"))
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    # The records are of the last weights, whichever are best.
    assert trained.details["checkpoint"] == "iter_6.pth"
    last = trained.details["validation_curve_miou_percent"][-1][1]
    assert tested.values["miou_percent"] == last


def test_without_labels_or_classes_there_is_no_loss():
    model = MODELS.build(
        {
            "type": "Segmentor",
            "num_classes": 2,
            "backbone": {"type": "DABNet"},
            "decode_head": {"type": "ClassifierHead", "in_channels": 259},
            "data_preprocessor": {"type": "SegDataPreProcessor"},
        }
    ).eval()
    with torch.no_grad():
        assert len(model.val_step({"inputs": [torch.zeros(3, 32, 64, dtype=torch.uint8)]})) == 1
