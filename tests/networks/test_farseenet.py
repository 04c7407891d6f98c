"""FarSee-Net: parity with the re-implementation, and what its switches change."""

from functools import partial

import torch
from torch import nn

from tests.networks.base import NetworkTest, built


class TestFarSeeNet(NetworkTest):
    """As re-implemented by zh320."""

    vector = "zh320_farseenet"


decoder = partial(built, type="FarSeeNetHead", num_classes=11)


def maps():
    return [torch.randn(1, 256, 5, 7), torch.randn(1, 512, 3, 4)]


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_no_norm(self):
        head = decoder(norm_cfg=None)
        assert not any(isinstance(m, nn.BatchNorm2d) for m in head.modules())

    def test_dilations(self):
        def rates(head):
            return sorted(m.dilation[0] for m in head.modules() if isinstance(m, nn.Conv2d) and m.groups > 1)

        assert rates(decoder()) == [6, 6, 12, 12, 18]
        assert rates(decoder(dilations=((), (3,)))) == [3]

    def test_bilinear_instead_of_super_resolution(self):
        head, bilinear = decoder(), decoder(super_resolution=False)
        assert head(maps()).shape == (1, 11, 20, 28)
        assert bilinear(maps()).shape == (1, 11, 5, 7)
        assert (bilinear.up[0].out_channels, bilinear.conv_seg[0].out_channels) == (512, 11)
