"""SwiftNet: parity with the re-implementation, and what its switches change."""

from functools import partial

import torch
from torch import nn

from tests.networks.base import NetworkTest, built, count, layers


class TestSwiftNet(NetworkTest):
    """As re-implemented by zh320, with ResNet-18."""

    vector = "zh320_swiftnet"


head = partial(built, type="ZH320SwiftNetHead", num_classes=11)


MAPS = [torch.randn(1, 64 * 2**i, 24 // 2**i, 16 // 2**i) for i in range(4)]


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_no_pyramid_pooling_keeps_a_convolution(self):
        without = head(pool_sizes=())
        assert count(head()) - count(without) == 4 * 512 * 128 + 512 * 128
        assert without(MAPS).shape == (1, 11, 24, 16)

    def test_plain_logits_can_be_negative(self):
        assert head()(MAPS).min() >= 0
        assert head(norm_act_logits=False)(MAPS).min() < 0

    def test_no_norm(self):
        assert not layers(head(norm_cfg=None), nn.BatchNorm2d)
