"""The common parts of all heads: the maps that they take, and their classifier."""

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.structures import SegDataSample
from torch import nn

from lednet_mm.networks.heads import ClassifierHead, DecodeHead, pixel_accuracy


class Sum(DecodeHead):
    """A head that adds up the maps that it takes."""

    def forward(self, inputs):
        maps = self._transform_inputs(inputs)
        return maps if isinstance(maps, torch.Tensor) else sum(maps)


class WithPlainClassifier(Sum):
    """A head that keeps mmseg's classifier."""

    plain_classifier = True


MAPS = tuple(torch.full((1, 4, 2, 2), value) for value in (1.0, 10.0, 100.0))


@pytest.mark.parametrize(
    ("in_channels", "in_index", "total"),
    [(4, None, 100), (4, 0, 1), ((4, 4), None, 11), ([4, 4, 4], None, 111), ((4, 4), (0, 2), 101)],
)
def test_the_maps_that_a_head_takes(in_channels, in_index, total):
    head = Sum(in_channels, 4, 3, in_index=in_index)
    assert torch.equal(head(MAPS), torch.full((1, 4, 2, 2), float(total)))


def test_without_a_classifier_of_its_own_a_head_has_no_parameter():
    assert list(Sum(4, 4, 3).parameters()) == []
    plain = WithPlainClassifier(4, 4, 3)
    assert [tuple(p.shape) for p in plain.parameters()] == [(3, 4, 1, 1), (3,)]
    assert torch.equal(plain.cls_seg(MAPS[0]), nn.functional.conv2d(MAPS[0], *plain.conv_seg.parameters()))


def test_what_a_head_is_told_stays_readable():
    norm, act = {"type": "BN"}, {"type": "ReLU"}
    head = Sum((4, 4), 8, 3, norm, act, True, ignore_index=7)
    assert (head.channels, head.num_classes, head.norm_cfg, head.act_cfg) == (8, 3, norm, act)
    assert (head.align_corners, head.ignore_index, head.dropout) == (True, 7, None)


def test_a_bare_classifier_has_no_bias():
    head = ClassifierHead(4, num_classes=3)
    assert [tuple(p.shape) for p in head.parameters()] == [(3, 4, 1, 1)]
    assert torch.equal(head(MAPS), nn.functional.conv2d(MAPS[-1], head.conv_seg.weight))


WEIGHTED = {"type": "WeightedCrossEntropy", "class_weight": [1.0, 2.0, 0.5]}
OTHER = {"type": "CrossEntropyLoss", "loss_name": "loss_other", "avg_non_ignore": True}


@pytest.mark.parametrize("size", [(6, 9), (12, 20)])
@pytest.mark.parametrize(
    "arguments",
    [
        {"loss_decode": WEIGHTED},
        {"loss_decode": [WEIGHTED, OTHER, {**WEIGHTED, "loss_weight": 0.4}]},
        {"loss_decode": WEIGHTED, "sampler": {"type": "OHEMPixelSampler", "thresh": 0.5, "min_kept": 50}},
    ],
    ids=["one", "several", "sampled"],
)
def test_losses_and_accuracy_are_mmsegs(arguments, size):
    torch.manual_seed(0)
    head = Sum(3, 3, 3, align_corners=True, **arguments)
    logits = torch.randn(2, 3, *size)
    labels = torch.randint(0, 3, (2, 1, 12, 20))
    labels[:, :, :3] = 255
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]
    results = []
    for loss_by_feat in (Sum.loss_by_feat, BaseDecodeHead.loss_by_feat):
        x = logits.clone().requires_grad_()
        losses = loss_by_feat(head, x, samples)
        sum(value for name, value in losses.items() if "loss" in name).backward()
        results.append(({name: value.detach().reshape(()) for name, value in losses.items()}, x.grad))
    ours, theirs = results
    torch.testing.assert_close(ours, theirs)


def test_the_accuracy_of_a_batch_without_labels_is_a_number():
    assert pixel_accuracy(torch.randn(1, 3, 4, 4), torch.full((1, 4, 4), 255)) == 0
