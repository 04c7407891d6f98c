"""MiniNet-v2: parity with the re-implementation, and what its switches change."""

from functools import partial

import torch
from torch import nn

from tests.networks.base import NetworkTest, built, count, layers


class TestMiniNetV2(NetworkTest):
    """As re-implemented by zh320."""

    vector = "zh320_mininetv2"


encoder = partial(built, type="MiniNetV2")
head = partial(built, type="MiniNetV2Head", num_classes=11)


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_no_dilation_leaves_the_second_depthwise_convolution_out(self):
        flat = encoder(dilations=(1,) * 16)
        assert {m.dilation[0] for m in layers(encoder(), nn.Conv2d)} == {1, 2, 4, 8, 16}
        assert {m.dilation[0] for m in layers(flat, nn.Conv2d)} == {1}
        assert count(encoder()) - count(flat) == 7 * (128 * 9 + 2 * 128)

    def test_number_of_blocks(self):
        assert (len(encoder(blocks=3).middle), len(head(blocks=1).blocks)) == (3, 1)

    def test_plain_logits_can_be_negative(self):
        maps = (torch.randn(1, 64, 8, 8), torch.randn(1, 128, 4, 4))
        assert head()(maps).min() >= 0
        assert head(norm_act_logits=False)(maps).min() < 0

    def test_no_norm(self):
        assert not layers(encoder(norm_cfg=None), nn.BatchNorm2d)
        assert not layers(head(norm_cfg=None), nn.BatchNorm2d)
