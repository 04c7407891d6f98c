"""RegSeg: parity with the re-implementation, and what its switches change."""

from functools import partial

import torch
from mmseg.registry import MODELS
from torch import nn

from tests.networks.base import NetworkTest, built, count, layers


class TestRegSeg(NetworkTest):
    """As re-implemented by zh320."""

    vector = "zh320_regseg"


encoder = partial(built, type="ZH320RegSeg")


def dilations(network):
    return {m.dilation[0] for m in layers(network, nn.Conv2d)}


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_the_papers_last_block(self):
        image = torch.randn(1, 3, 64, 96)
        ours, papers = encoder(), encoder(last_stride=1)
        assert [tuple(m.shape[1:]) for m in ours(image)] == [(48, 16, 24), (128, 8, 12), (320, 2, 3)]
        assert [tuple(m.shape[1:]) for m in papers(image)] == [(48, 16, 24), (128, 8, 12), (320, 4, 6)]
        assert dilations(papers) - dilations(ours) == {14}

    def test_no_dilation(self):
        flat = encoder(dilations=[(1, 1)] * 13)
        assert dilations(flat) == {1}
        assert count(flat) == count(encoder())

    def test_no_squeeze_excitation(self):
        assert layers(encoder(), nn.Linear)
        assert not layers(encoder(squeeze_excitation=False), nn.Linear)

    def test_no_norm(self):
        head = MODELS.build({"type": "ZH320RegSegHead", "num_classes": 11, "norm_cfg": None})
        assert not layers(encoder(norm_cfg=None), nn.BatchNorm2d)
        assert not layers(head, nn.BatchNorm2d)
