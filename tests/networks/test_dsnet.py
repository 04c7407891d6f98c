"""DSNet: parity with the authors' code, and its mixture of two maps."""

import torch
from torch import nn

from lednet_mm.networks.dsnet import ScaleAttention
from tests.networks.base import NetworkTest


class TestDSNet(NetworkTest):
    """As released."""

    vector = "dsnet"
    narrow = {
        "model.backbone.channels": 8,
        "model.decode_head.in_channels": (8, 32),
        "model.auxiliary_head.0.in_channels": 32,
        "model.auxiliary_head.1.in_channels": 32,
    }


class TestDSNetBase(TestDSNet):
    """As released, of twice as many channels and more blocks."""

    vector = "dsnet_base"
    giant = True
    sibling = True


def test_equal_scores_add_two_maps_and_high_ones_choose_the_first():
    attention = ScaleAttention(8, norm_cfg=None, act_cfg={"type": "ReLU"})
    for parameter in attention.parameters():
        nn.init.zeros_(parameter)
    x, other = torch.randn(2, 1, 8, 17, 20)
    with torch.inference_mode():
        torch.testing.assert_close(attention(x, other), x + other)
        nn.init.constant_(attention.local[1].conv.bias, 100.0)
        torch.testing.assert_close(attention(x, other), 2 * x)
