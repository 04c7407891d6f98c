"""CANet: parity with the re-implementation, and what its switches change."""

from functools import partial

import torch
from torch import nn

from tests.networks.base import NetworkTest, built, count


class TestCANet(NetworkTest):
    """As re-implemented by zh320."""

    vector = "zh320_canet"


encoder = partial(built, type="CANet")
decoder = partial(built, type="CANetHead", num_classes=11)


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_no_norm(self):
        modules = [*encoder(norm_cfg=None).modules(), *decoder(norm_cfg=None).modules()]
        assert not any(isinstance(m, nn.BatchNorm2d) for m in modules)

    def test_another_trunk(self):
        trunk = {"type": "ResNet", "depth": 18, "out_indices": (2, 3)}
        maps = encoder(trunk=trunk, trunk_channels=(256, 512))(torch.randn(1, 3, 40, 72))
        assert [tuple(m.shape) for m in maps] == [(1, 256, 5, 9), (1, 256, 5, 9)]

    def test_without_one_attention_the_other_remains(self):
        maps = [torch.randn(1, 256, 4, 6), torch.randn(1, 256, 4, 6)]
        full = decoder()
        without = {name: decoder(**{name: False}) for name in ("spatial_attention", "channel_attention")}
        assert count(full) - count(without["spatial_attention"]) == count(full.position_weight)
        assert count(full) - count(without["channel_attention"]) == count(full.channel_weight)
        assert all(head(maps).shape == (1, 11, 32, 48) for head in without.values())

    def test_plain_logits(self):
        maps = [torch.randn(1, 256, 4, 6), torch.randn(1, 256, 4, 6)]
        assert decoder()(maps).min() >= 0
        assert decoder(norm_act_logits=False)(maps).min() < 0
