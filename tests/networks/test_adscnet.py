"""ADSCNet: parity with the re-implementation, and what its switches change."""

from functools import partial

import torch
from torch import nn

from tests.networks.base import NetworkTest, built


class TestADSCNet(NetworkTest):
    """As re-implemented by zh320."""

    vector = "zh320_adscnet"


encoder = partial(built, type="ADSCNet")
decoder = partial(built, type="ADSCNetHead", num_classes=11)


def kinds(module, kind):
    return sum(isinstance(m, kind) for m in module.modules())


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_no_norm(self):
        assert kinds(encoder(norm_cfg=None), nn.BatchNorm2d) == 0
        assert kinds(decoder(norm_cfg=None), nn.BatchNorm2d) == 0

    def test_no_context_module(self):
        image = torch.randn(1, 3, 32, 48)
        plain, without = encoder(), encoder(context_dilations=())
        assert [m.shape for m in plain(image)] == [m.shape for m in without(image)]
        weights = [m for m in plain.modules() if isinstance(m, nn.Conv2d)]
        assert len(weights) - kinds(without, nn.Conv2d) == 4 * 4 + 3 + 1

    def test_plain_logits(self):
        maps = [torch.randn(1, c, 16 // s, 16 // s) for c, s in ((32, 1), (64, 2), (128, 4))]
        assert decoder()(maps).min() >= 0
        plain = decoder(norm_act_logits=False)
        assert plain(maps).min() < 0
        assert kinds(plain, nn.BatchNorm2d) == kinds(decoder(), nn.BatchNorm2d) - 1
