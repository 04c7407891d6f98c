"""LiteSeg: parity with the re-implementation, and what its switches change."""

from functools import partial

import torch
from torch import nn

from tests.networks.base import NetworkTest, built, count, layers


class TestLiteSeg(NetworkTest):
    """As re-implemented by zh320, with MobileNetV2."""

    vector = "zh320_liteseg"


head = partial(built, type="ZH320LiteSegHead", num_classes=11)


MAPS = (torch.randn(1, 32, 9, 7), torch.randn(1, 320, 3, 2))


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_dilations(self):
        def rates(network):
            return {m.dilation[0] for m in layers(network, nn.Conv2d)}

        assert (rates(head()), rates(head(dilations=(1, 1, 1)))) == ({1, 3, 6, 9}, {1})

    def test_no_global_pooling(self):
        without = head(global_pooling=False)
        assert count(head()) - count(without) == 320 * 64 + 64 * 512
        assert without(MAPS).shape == (1, 11, 9, 7)

    def test_no_short_residual(self):
        without = head(short_residual=False)
        assert count(head()) - count(without) == 320 * 512
        assert without(MAPS).shape == (1, 11, 9, 7)

    def test_no_norm(self):
        assert not layers(head(norm_cfg=None), nn.BatchNorm2d)
