"""SFNet: parity with the authors' code, and its warping."""

import torch

from lednet_mm.layers import resize_like
from lednet_mm.networks.sfnet import warp
from tests.networks.base import NetworkTest


class TestSFNet(NetworkTest):
    """As released, with ResNet-18."""

    vector = "sfnet_r18"
    narrow = {
        "model.backbone.channels": (16, 32, 64, 128),
        "model.decode_head.in_channels": (16, 32, 64, 128),
        "model.decode_head.channels": 32,
    }


class TestSFNetLite(NetworkTest):
    """As released, with ResNet-18."""

    vector = "sfnet_lite_r18"
    narrow = {
        "model.backbone.channels": (16, 32, 64, 128),
        "model.decode_head.in_channels": (16, 64, 128),
        "model.decode_head.channels": 32,
    }
    giant = True


class TestSFNetDFNetV1(NetworkTest):
    """As released, with DFNetV1."""

    vector = "sfnet_dfv1"
    giant = True
    sibling = True


class TestSFNetDFNetV2(NetworkTest):
    """As released, with DFNetV2."""

    vector = "sfnet_dfv2"
    giant = True
    sibling = True


def test_without_flow_a_map_is_resized_with_aligned_corners():
    x = torch.randn(2, 3, 4, 5).double()
    fine = torch.zeros(2, 2, 9, 11).double()
    torch.testing.assert_close(warp(x, fine), resize_like(x, fine, align_corners=True))


def test_a_flow_of_one_grid_step_shifts_the_map():
    x = torch.randn(1, 1, 5, 9).double()
    flow = torch.zeros(1, 2, 5, 9).double()
    flow[:, 0] = 2 * 9 / (9 - 1)  # one step of the grid, in units of half the width
    torch.testing.assert_close(warp(x, flow)[..., :-1], x[..., 1:])
