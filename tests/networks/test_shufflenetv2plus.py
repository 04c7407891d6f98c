"""ShuffleNetV2Plus: parity of two versions, and what the switches change."""

from functools import partial

import torch
from torch import nn

from tests.networks.base import NetworkTest, built, count, layers

NARROW = {
    "model.backbone.channels": (24, 48, 96, 192),
    "model.backbone.blocks": (2, 2, 2),
    "model.decode_head.in_channels": (48, 384),
    "model.decode_head.context_channels": 48,
}


class TestShuffleNetV2Plus(NetworkTest):
    """With ASPP."""

    narrow = NARROW
    vector = "shufflenetv2plus"
    kept_norms = 3


class TestRFShuffleNetV2Plus(NetworkTest):
    """With the receptive-field block."""

    narrow = NARROW
    vector = "rfshufflenetv2plus"
    kept_norms = 7


encoder = partial(built, type="ShuffleNetV2Plus")


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_no_shuffle(self):
        image = torch.randn(1, 3, 32, 32)
        mixed, apart = encoder(), encoder(shuffle=False)
        assert count(mixed) == count(apart)
        for here, there, same in zip(mixed(image), apart(image), (True, False), strict=True):
            assert torch.equal(here, there) == same

    def test_the_papers_first_convolution(self):
        papers = encoder(stem_norm_act=True)
        assert [type(m) for m in papers.stem] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
        assert count(papers) == count(encoder()) + 2 * 24

    def test_no_dilation(self):
        flat = encoder(dilations=(1, 1, 1))
        assert {m.dilation for m in layers(flat, nn.Conv2d)} == {(1, 1)}
        assert count(flat) == count(encoder())

    def test_one_group(self):
        assert {m.groups for m in layers(encoder(groups=1), nn.Conv2d)} == {1, 60, 120, 240}

    def test_no_bias(self):
        trunk = encoder(bias=False, scse=False)
        assert all(m.bias is None for m in layers(trunk, nn.Conv2d))

    def test_no_scse(self):
        assert layers(encoder(scse=False), nn.Linear) == []

    def test_no_norm(self):
        assert layers(encoder(norm_cfg=None, stem_norm_act=True), nn.BatchNorm2d) == []

    def test_maps(self):
        maps = encoder()(torch.randn(1, 3, 37, 61))
        assert [tuple(m.shape[1:]) for m in maps] == [(48, 10, 16), (1728, 5, 8)]
