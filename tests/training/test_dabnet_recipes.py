"""DABNet's recipes by value: schedule, hardest pixels, initial weights, scales, splits and class weights."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import PARAM_SCHEDULERS
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

from lednet_mm.config import Choice, load_config
from lednet_mm.datasets.loading import read_ids
from lednet_mm.datasets.scaling import RandomScale

CITYSCAPES = Choice("dabnet", "cityscapes", "dabnet_cityscapes")


def test_the_learning_rate_follows_the_authors_formula():
    length, rate = 3000, 4.5e-2
    config = load_config(CITYSCAPES, {"train_cfg.max_iters": length})
    assert config.optim_wrapper.optimizer.lr == rate
    wrapper = OptimWrapper(torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=rate))
    schedules = [
        PARAM_SCHEDULERS.build({"end": length, **schedule}, default_args={"optimizer": wrapper})
        for schedule in config.param_scheduler
    ]
    seen = []
    for _ in range(length):
        seen.append(wrapper.get_lr()["lr"][0])
        wrapper.step()
        for schedule in schedules:
            schedule.step()

    def authors(i):  # utils/lr_scheduler.py, WarmupPolyLR
        if i <= 500:
            return rate * (1 / 3 * (1 - i / 500) + i / 500)
        return rate * (1 - (i - 500) / (length - 500)) ** 0.9

    assert seen == pytest.approx([authors(i) for i in range(length)])


def hardest_pixel_loss(logits, label, weights, threshold, kept):
    """Return ProbOhemCrossEntropy2d of utils/loss.py, written anew: the weighted mean over what is kept."""
    probability = torch.softmax(logits, 1)
    pixels = [
        (float(probability[n, c, y, x]), n, y, x, c)
        for n, y, x in np.ndindex(*label.shape)
        if (c := int(label[n, y, x])) != 255
    ]
    pixels.sort()
    limit = max(threshold, pixels[kept - 1][0]) if len(pixels) >= kept else 1.0
    chosen = [(n, y, x, c) for p, n, y, x, c in pixels if p <= limit]
    total = sum(-weights[c] * torch.log_softmax(logits[n, :, y, x], 0)[c] for n, y, x, c in chosen)
    return total / sum(weights[c] for _, _, _, c in chosen)


@pytest.mark.parametrize("kept", [32, 304])
def test_the_loss_is_that_of_the_hardest_pixels(kept):
    """With 32 pixels to keep, the recipe's share of 512, the threshold decides; with 304, the number."""
    options = {} if kept == 32 else {"model.loss.least": kept / 512}
    config = load_config(CITYSCAPES, options).model
    head = MODELS.build(config).decode_head
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(0, 19, (2, 16, 16), generator=generator)
    label[torch.rand(label.shape, generator=generator) < 0.1] = 255
    noise = torch.randn(2, 19, 16, 16, generator=generator)
    sure = nn.functional.one_hot(label.where(label != 255, 0), 19).permute(0, 3, 1, 2) * 16.0
    strength = torch.rand(2, 1, 16, 16, generator=generator).clamp(min=0.25)
    logits = [(noise + sure * strength).requires_grad_() for _ in range(2)]
    samples = [SegDataSample(gt_sem_seg=PixelData(data=one[None])) for one in label]
    ours = head.loss_by_feat(logits[0], samples)["loss_ohem"]
    theirs = hardest_pixel_loss(logits[1], label, config.class_weight, 0.7, kept)
    torch.testing.assert_close(ours, theirs)
    ours.backward()
    theirs.backward()
    torch.testing.assert_close(logits[0].grad, logits[1].grad)
    learning = int((logits[0].grad.abs().sum(1) > 0).sum())
    assert learning == kept if kept == 304 else 32 < learning < 304


def test_convolutions_begin_with_kaimings_deviation():
    torch.manual_seed(0)
    model = MODELS.build(load_config(CITYSCAPES).model)
    model.init_weights()
    wide = [m for m in model.modules() if isinstance(m, nn.Conv2d) and m.weight.numel() > 5000]
    assert len(wide) > 10
    for layer in wide:
        fan_in = layer.weight[0].numel()
        assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / fan_in), rel=0.05)


def test_images_are_scaled_by_one_of_the_factors():
    factors = (0.75, 1.0, 1.25, 1.5, 1.75, 2.0)
    scale = RandomScale(factors)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 19, (32, 64), np.uint8)
    seen = set()
    np.random.seed(0)
    for _ in range(60):
        image = rng.integers(0, 256, (32, 64, 3), np.uint8)
        results = scale(
            {"img": image, "gt_seg_map": labels, "seg_fields": ["gt_seg_map"], "img_shape": (32, 64)}
        )
        height, width = results["img"].shape[:2]
        assert results["gt_seg_map"].shape == (height, width)
        assert set(np.unique(results["gt_seg_map"])) <= set(np.unique(labels))
        assert (height / 32, width / 64) == (height / 32,) * 2
        seen.add(height / 32)
    assert seen == set(factors)


def test_with_val_there_are_more_images_and_a_longer_training():
    config = load_config(Choice("lednet", "camvid", "dabnet_camvid_trainval"))
    parts = config.train_dataloader.dataset.datasets
    assert [part.split for part in parts] == ["train", "val"]
    assert parts[0].pipeline == parts[1].pipeline
    assert parts[0].pipeline[0].type == "SeedAugmentation"
    assert config.train_cfg.max_iters == 1000 * (468 // 16)
    assert config.train_cfg.val_interval == 50 * (468 // 16)
    cityscapes = load_config(Choice("lednet", "cityscapes", "dabnet_cityscapes_trainval"))
    assert cityscapes.train_cfg.max_iters == 1000 * (3475 // 8)
    assert "Resize" not in str(cityscapes.test_dataloader)


@pytest.mark.skipif(not Path("data/camvid/train").is_dir(), reason="needs CamVid")
def test_the_class_weights_are_those_of_camvid():
    def shares(*splits):
        labels = [path for split in splits for path in Path(f"data/camvid/{split}annot").glob("*.png")]
        pixels = sum(np.bincount(read_ids(path).ravel(), minlength=12) for path in labels)[:11]
        return pixels / pixels.sum()

    config = load_config(Choice("dabnet", "camvid", "dabnet_camvid_trainval"))
    assert config.model.class_weight == pytest.approx(1 / np.log(1.10 + shares("train", "val")), abs=1e-4)
    encoder = load_config(Choice("lednet", "camvid", "lednet_authors_encoder"))
    assert encoder.model.class_weight == pytest.approx(1 / np.log(1.2 + shares("train")), abs=1e-4)
