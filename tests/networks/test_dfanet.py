"""DFANet: parity with the re-implementation, and what its switches change."""

from functools import partial

import pytest
import torch
from torch import nn

from tests.networks.base import NetworkTest, built, count


class TestDFANet(NetworkTest):
    """As re-implemented by zh320."""

    vector = "zh320_dfanet"
    narrow = {"model.backbone.blocks": (1, 1, 1)}


encoder = partial(built, type="DFANet")
decoder = partial(built, type="DFANetHead", num_classes=11)


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_no_norm(self):
        modules = [*encoder(norm_cfg=None).modules(), *decoder(norm_cfg=None).modules()]
        assert not any(isinstance(m, nn.BatchNorm2d) for m in modules)

    def test_no_attention(self):
        full, without = encoder(), encoder(attention=False)
        assert count(full) - count(without) == sum(count(e.attention) for e in full.encoders)

    @pytest.mark.parametrize("pooling", ["max", "mean"])
    def test_what_the_attention_sees(self, pooling):
        attention = encoder(attention_pooling=pooling).encoders[0].attention
        x = torch.randn(1, 192, 4, 6)
        pooled = x.amax((2, 3)) if pooling == "max" else x.mean((2, 3))
        weights = attention.conv(attention.linear(pooled)[:, :, None, None])
        assert torch.allclose(attention(x), x * weights)

    def test_a_shorter_cascade(self):
        maps = encoder(encoders=1)(torch.randn(1, 3, 64, 96))
        assert [tuple(m.shape) for m in maps] == [(1, 48, 16, 24), (1, 192, 4, 6)]
        assert decoder(in_channels=(48, 192))(maps).shape == (1, 11, 16, 24)
