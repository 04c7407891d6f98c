"""MixedScaleDenseNet: parity, and what the switches change."""

from functools import partial

import torch
from torch import nn

from tests.networks.base import NetworkTest, built, count, layers


class TestMixedScaleDenseNet(NetworkTest):
    """With the class's defaults."""

    vector = "mixscaledensenet"
    narrow = {
        "model.backbone.layers": 8,
        "model.decode_head.in_channels": (40,),
        "model.decode_head.context_channels": 16,
    }
    kept_norms = 12


encoder = partial(built, type="MixedScaleDenseNet")


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_the_training_scripts_layers(self):
        network = encoder(layers=96, dilations=(1, 2, 4, 8, 16))
        assert [layer.conv.dilation[0] for layer in network.layers] == [1, 2, 4, 8, 16] * 19 + [1]
        assert network(torch.randn(1, 3, 32, 32))[0].shape == (1, 128, 8, 8)

    def test_growth(self):
        assert encoder(layers=8, growth=4)(torch.randn(1, 3, 32, 32))[0].shape == (1, 64, 8, 8)

    def test_no_dilation(self):
        flat = encoder(dilations=(1,))
        assert {m.dilation for m in layers(flat, nn.Conv2d)} == {(1, 1)}
        assert count(flat) == count(encoder())

    def test_every_layer_reads_all_before_it(self):
        assert [layer.conv.in_channels for layer in encoder().layers] == list(range(32, 160))

    def test_no_scse(self):
        assert layers(encoder(scse=False), nn.Linear) == []

    def test_no_norm(self):
        assert layers(encoder(norm_cfg=None), nn.BatchNorm2d) == []
