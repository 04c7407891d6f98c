"""GCNet: parity with the authors' code, and blocks that become one convolution."""

import copy

import pytest
import torch
from torch import nn

from lednet_mm.layers import MultiPathConv
from lednet_mm.layers.multipath import merge_paths
from lednet_mm.networks.gcnet import GoldenBlock
from tests.networks.base import NetworkTest, count, layers, randomised

NORM, RELU = {"type": "BN"}, {"type": "ReLU"}


class TestGCNetS(NetworkTest):
    """As released."""

    vector = "gcnet_s"
    narrow = {
        "model.backbone.channels": 8,
        "model.decode_head.in_channels": 32,
        "model.auxiliary_head.in_channels": 16,
    }
    kept_norms = 12


class TestGCNetM(TestGCNetS):
    """As released, of twice as many channels."""

    vector = "gcnet_m"
    giant = True
    sibling = True


class TestGCNetL(TestGCNetM):
    """As released, of more blocks."""

    vector = "gcnet_l"


@pytest.mark.parametrize(("outputs", "stride"), [(6, 1), (6, 2), (10, 1)])
@pytest.mark.parametrize("norm_cfg", [NORM, None])
def test_a_block_is_one_convolution_in_its_deployment_form(outputs, stride, norm_cfg):
    torch.manual_seed(0)
    block = randomised(GoldenBlock(6, outputs, stride, norm_cfg=norm_cfg, act_cfg=RELU))
    merged = nn.Sequential(copy.deepcopy(block))
    merge_paths(merged)
    (convolution,) = layers(merged, nn.Conv2d)
    assert (convolution.kernel_size, convolution.stride) == ((3, 3), (stride, stride))
    assert count(merged) == outputs * (6 * 9 + 1)
    x = torch.randn(2, 6, 7, 10).double()
    with torch.inference_mode():
        torch.testing.assert_close(merged(x), block(x), rtol=0, atol=1e-9)


def test_grouped_convolutions_become_one_of_as_many_groups():
    torch.manual_seed(0)
    both = [nn.Conv2d(8, 12, 3, padding=1, groups=4) for _ in range(2)]
    block = MultiPathConv(8, 12, 1, both, shortcut=False, norm_cfg=None, act_cfg=None).double()
    merged = nn.Sequential(copy.deepcopy(block))
    merge_paths(merged)
    x = torch.randn(2, 8, 5, 6).double()
    with torch.inference_mode():
        torch.testing.assert_close(merged(x), block(x), rtol=0, atol=1e-12)
    assert count(merged) == 12 * (2 * 9 + 1)


def test_the_deployment_form_has_one_convolution_for_each_block():
    assert len(layers(TestGCNetS().build().backbone, MultiPathConv)) == 2 * 4 + 2 * (5 + 4) + 2 * 2
