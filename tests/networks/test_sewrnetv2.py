"""SEWideResNetV2: parity, and what the switches change."""

from functools import partial

import torch
from torch import nn

from lednet_mm.checkpoints.parity import build_model
from tests.networks.base import NetworkTest, built, count, layers

# The network's form with few channels and blocks.
SMALL = {
    "type": "SEWideResNetV2",
    "stem_channels": 4,
    "channels": ((8, 8), (8, 8), (16, 16), (16, 32), (16, 32, 64), (32, 32, 64)),
    "blocks": (1, 2, 2, 1, 1, 1),
}
SMALL_HEAD = {"type": "SEWideResNetHead", "in_channels": (8, 64), "context_channels": 16}


class TestSEWideResNetV2(NetworkTest):
    """As the training script builds it."""

    vector = "sewrnetv2"
    kept_norms = 10
    giant = True

    def build(self):
        model = {"type": "Segmentor", "backbone": SMALL, "decode_head": SMALL_HEAD}
        return build_model(model, self.num_classes)


encoder = partial(built, **SMALL)
head = partial(built, **SMALL_HEAD, num_classes=5)


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_maps(self):
        shapes = [tuple(m.shape[1:]) for m in encoder()(torch.randn(1, 3, 37, 61))]
        assert shapes == [(8, 10, 16), (64, 5, 8)]

    def test_no_dilation(self):
        rates = [{m.dilation[0] for m in layers(s, nn.Conv2d)} for s in encoder().stages]
        assert rates == [{1}, {1}, {1}, {1, 2}, {1, 4}, {1, 8}]
        flat = encoder(dilations=(1, 1, 1))
        assert {m.dilation[0] for m in layers(flat, nn.Conv2d)} == {1}
        assert count(flat) == count(encoder())

    def test_no_squeeze_excitation(self):
        assert len(layers(encoder(), nn.Linear)) == 4
        assert layers(encoder(squeeze_excitation=False), nn.Linear) == []

    def test_dropout_ratios(self):
        assert [m.p for m in layers(encoder(dropout_ratio=(0.1, 0.4)), nn.Dropout2d)] == [0.1, 0.4]
        assert [m.p for m in layers(head(dropout_ratio=0.3), nn.Dropout2d)] == [0.3]

    def test_no_norm(self):
        modules = [encoder(norm_cfg=None), head(norm_cfg=None)]
        assert [layers(m, nn.BatchNorm2d) for m in modules] == [[], []]

    def test_a_shortcut_is_projected_only_where_its_shape_changes(self):
        projected = [[block.project is not None for block in stage] for stage in encoder().stages]
        assert projected == [[True], [False, False], [True, False], [True], [True], [False]]
