"""What all heads share: which maps they take, and what they classify with."""

import pytest
import torch
from torch import nn

from lednet_mm.networks.heads import ClassifierHead, DecodeHead


class Sum(DecodeHead):
    """Adds up whatever maps it takes."""

    def forward(self, inputs):
        maps = self._transform_inputs(inputs)
        return maps if isinstance(maps, torch.Tensor) else sum(maps)


class WithPlainClassifier(Sum):
    """Keeps mmseg's classifier."""

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
