"""SegNet: parity, unpooling, and every switch an ablation turns."""

import pytest
import torch
from mmseg.registry import MODELS
from torch import nn
from torch.nn import functional as F

from lednet_mm.networks.segnet import unpool
from tests.networks.base import NetworkTest, count, layers


class TestSegNet(NetworkTest):
    """As in Efficient-Segmentation-Networks."""

    vector = "segnet"
    giant = True
    size = (32, 48)
    narrow = {"model.backbone.channels": (8, 8, 16, 16, 16), "model.decode_head.in_channels": 8}


def segnet(**changes):
    torch.manual_seed(0)
    narrow = {"channels": (8, 16), "depths": (2, 3)}
    return MODELS.build({"type": "SegNet", **narrow, **changes}).eval()


def test_unpooling_is_pytorchs():
    x = torch.randn(2, 3, 9, 12)
    pooled, indices = F.max_pool2d(x, 2, return_indices=True)
    assert torch.equal(
        unpool(pooled, indices, x.shape[2:]), F.max_unpool2d(pooled, indices, 2, 2, 0, (9, 12))
    )


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_no_norm(self):
        norms = layers(segnet(), nn.BatchNorm2d)
        without = segnet(norm_cfg=None)
        assert len(norms) == 2 + 3 + 3 + 1
        assert layers(without, nn.BatchNorm2d) == []
        assert count(segnet()) - count(without) == sum(2 * m.num_features for m in norms)

    def test_bilinear_instead_of_unpooling(self):
        x = torch.randn(1, 3, 21, 16)
        unpooled, resized = segnet()(x), segnet(unpooling=False)(x)
        assert torch.equal(unpooled[0], resized[0])
        assert unpooled[1].shape == resized[1].shape == (1, 8, 21, 16)
        assert not torch.equal(unpooled[1], resized[1])

    def test_prelu(self):
        assert len(layers(segnet(act_cfg={"type": "PReLU"}), nn.PReLU)) == len(layers(segnet(), nn.ReLU))

    def test_too_small_an_image(self):
        with pytest.raises(ValueError, match="at least 4, got 3x16"):
            segnet()(torch.randn(1, 3, 3, 16))
