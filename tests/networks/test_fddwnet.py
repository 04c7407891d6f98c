"""FDDWNet: parity with the re-implementation, and what its switches change."""

from functools import partial

import torch
from torch import nn

from tests.networks.base import NetworkTest, built, count


class TestFDDWNet(NetworkTest):
    """As re-implemented by zh320."""

    vector = "zh320_fddwnet"


encoder = partial(built, type="FDDWNet")
decoder = partial(built, type="FDDWNetHead", num_classes=11)


def maps():
    return [torch.randn(1, 64, 8, 12), torch.randn(1, 128, 4, 6)]


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_no_norm(self):
        modules = [*encoder(norm_cfg=None).modules(), *decoder(norm_cfg=None).modules()]
        assert not any(isinstance(m, nn.BatchNorm2d) for m in modules)

    def test_no_dilation(self):
        flat = encoder(dilations=(1,) * 16)
        assert all(m.dilation == (1, 1) for m in flat.modules() if isinstance(m, nn.Conv2d))
        assert count(flat) == count(encoder())

    def test_no_skip_ignores_the_finer_map(self):
        finer, deeper = maps()
        assert torch.equal(decoder(skip=False)([finer, deeper]), decoder(skip=False)([finer + 1, deeper]))
        assert not torch.equal(decoder()([finer, deeper]), decoder()([finer + 1, deeper]))

    def test_plain_logits(self):
        assert decoder()(maps()).min() >= 0
        assert decoder(norm_act_logits=False)(maps()).min() < 0
