"""Lite-HRNet: parity with the re-implementation, and what its switches change."""

from functools import partial

import torch
from mmseg.registry import MODELS
from torch import nn

from tests.networks.base import NetworkTest, built, layers


class TestLiteHRNet(NetworkTest):
    """Lite-HRNet-18 as re-implemented by zh320."""

    vector = "zh320_lite_hrnet"
    narrow = {"model.backbone.modules": (1, 1, 1)}


encoder = partial(built, type="LiteHRNet")


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_weights_of_either_kind(self):
        # All resolutions of a module share one set; each of the two blocks per resolution has one of its own.
        modules, blocks = 2 + 4 + 2, 2 * (2 * 2 + 4 * 3 + 2 * 4)
        assert len(layers(encoder(), nn.Sigmoid)) == modules + blocks
        assert len(layers(encoder(cross_resolution_weights=False), nn.Sigmoid)) == blocks
        assert len(layers(encoder(spatial_weights=False), nn.Sigmoid)) == modules

    def test_without_weights_it_runs(self):
        maps = encoder(cross_resolution_weights=False, spatial_weights=False)(torch.randn(1, 3, 70, 90))
        assert [tuple(m.shape[1:]) for m in maps] == [(40, 18, 23), (80, 9, 12), (160, 5, 6), (320, 3, 3)]

    def test_lite_hrnet_30_has_more_modules(self):
        assert [len(stage) for stage in encoder(modules=(3, 8, 3)).stages] == [3, 8, 3]

    def test_no_norm(self):
        head = MODELS.build({"type": "LiteHRNetHead", "num_classes": 11, "norm_cfg": None})
        assert not layers(encoder(norm_cfg=None), nn.BatchNorm2d)
        assert not layers(head, nn.BatchNorm2d)
