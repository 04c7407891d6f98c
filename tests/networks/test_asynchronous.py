"""The heads and losses that do not wait for a GPU give the same numbers as MMSegmentation's."""

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from mmseg.structures.sampler import OHEMPixelSampler
from torch import nn

from lednet_mm.networks.asynchronous import REPLACEMENTS, HardestPixelSampler, without_waiting
from lednet_mm.networks.heads import AsynchronousHead

CLASSES = 5


def maps(ignored: bool = True):
    torch.manual_seed(0)
    logits = torch.randn(2, CLASSES, 12, 20)
    labels = torch.randint(0, CLASSES, (2, 12, 20))
    if ignored:
        labels[:, :3] = 255
    return logits, labels


def loss_and_gradient(loss, logits, *rest, **options):
    x = logits.clone().requires_grad_()
    value = loss(x, *rest, **options)
    value.backward()
    return value.detach(), x.grad


def both(config, *inputs, **options):
    results = [
        loss_and_gradient(MODELS.build(chosen), *inputs, **options)
        for chosen in (config, without_waiting(config))
    ]
    (theirs, their_gradient), (ours, our_gradient) = results
    assert torch.equal(our_gradient, their_gradient)
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=0)


@pytest.mark.parametrize("thres", [0.05, 0.2, 0.9])
@pytest.mark.parametrize("min_kept", [1, 100, 10_000])
@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 0.5, 1.5, 3.0]])
def test_cross_entropy_of_the_hardest_pixels(thres, min_kept, weights):
    both({"type": "OhemCrossEntropy", "thres": thres, "min_kept": min_kept, "class_weight": weights}, *maps())


def test_without_a_hard_pixel_there_is_nothing_to_learn():
    logits, labels = maps()
    loss = MODELS.build(without_waiting({"type": "OhemCrossEntropy", "min_kept": 1}))
    assert loss_and_gradient(loss, logits, torch.full_like(labels, 255))[0] == 0
    certain = 50 * nn.functional.one_hot(labels.where(labels < 255, 0), CLASSES).permute(0, 3, 1, 2).float()
    assert loss_and_gradient(loss, certain, labels)[0].isfinite()


@pytest.mark.parametrize("thresh", [0.05, 0.3, 0.9, None])
@pytest.mark.parametrize("min_kept", [2, 60, 10_000])
def test_sampled_pixels(thresh, min_kept):
    logits, labels = maps()
    head = MODELS.build(
        {
            "type": "FCNHead",
            "in_channels": 4,
            "channels": 4,
            "num_classes": CLASSES,
            "loss_decode": {"type": "CrossEntropyLoss", "avg_non_ignore": True},
        }
    )
    theirs, ours = (
        kind(head, thresh=thresh, min_kept=min_kept).sample(logits, labels[:, None])
        for kind in (OHEMPixelSampler, HardestPixelSampler)
    )
    assert torch.equal(ours, theirs)
    assert ours.sum() > 0


@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_loss_of_edges(share):
    torch.manual_seed(0)
    both({"type": "BoundaryLoss", "loss_weight": 20.0}, torch.randn(2, 1, 9, 7), torch.rand(2, 9, 7) < share)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("options", [{}, {"loss_weight": 0.4}, {"avg_non_ignore": True}])
def test_binary_cross_entropy_of_several_classes(options, weighted):
    logits, labels = maps()
    weight = torch.rand(labels.shape) if weighted else None
    both(
        {"type": "CrossEntropyLoss", "use_sigmoid": True, **options},
        logits,
        labels,
        weight=weight,
        ignore_index=255,
    )


def test_dice():
    logits, labels = maps(ignored=False)
    both({"type": "DiceLoss"}, logits, labels, ignore_index=255)


HEADS = {
    "FCNHead": {"in_channels": 6, "channels": 4, "num_convs": 1},
    "DepthwiseSeparableFCNHead": {"in_channels": 6, "channels": 4},
    "SegformerHead": {"in_channels": [6, 6], "in_index": [0, 1], "channels": 4},
    "DDRHead": {"in_channels": 6, "channels": 4, "loss_decode": [{"type": "OhemCrossEntropy"}] * 2},
    "STDCHead": {"in_channels": 6, "channels": 4, "boundary_threshold": 0.1, "num_convs": 1},
}


@pytest.mark.parametrize("name", HEADS)
def test_heads(name):
    config = {"type": name, "norm_cfg": {"type": "BN"}, "num_classes": CLASSES, **HEADS[name]}
    torch.manual_seed(0)
    features = [torch.randn(2, 6, 6, 10), torch.randn(2, 6, 6, 10)]
    if name == "DDRHead":
        features[0] = features[0][:, :3]
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label[None])) for label in maps()[1]]
    results = []
    for chosen in (config, without_waiting(config)):
        torch.manual_seed(1)
        head = MODELS.build(chosen).train()
        losses = head.loss(features, samples, None)
        sum(value for key, value in losses.items() if "loss" in key).backward()
        gradients = {key: p.grad for key, p in head.named_parameters() if p.requires_grad}
        results.append((gradients, {key: value.detach().reshape(()) for key, value in losses.items()}))
    (theirs, their_losses), (ours, our_losses) = results
    assert isinstance(head, AsynchronousHead)
    assert theirs.keys() == ours.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    torch.testing.assert_close(our_losses, their_losses, rtol=1e-6, atol=0)


def test_every_replacement_is_a_kind_of_what_it_replaces():
    for name, kind in REPLACEMENTS.items():
        assert name in [base.__name__ for base in kind.__mro__[1:]]


def test_a_config_keeps_everything_but_the_classes():
    config = {"type": "FCNHead", "channels": 3, "loss_decode": [{"type": "BoundaryLoss"}, {"type": "Mine"}]}
    changed = without_waiting(config)
    assert changed["channels"] == 3
    assert [loss["type"] for loss in changed["loss_decode"]] == [REPLACEMENTS["BoundaryLoss"], "Mine"]
    assert config["type"] == "FCNHead"
