"""ContextNet: parity, and every switch an ablation turns."""

from functools import partial

import torch
from torch import nn

from tests.networks.base import NetworkTest, built, count, layers


class TestContextNet(NetworkTest):
    """As in Efficient-Segmentation-Networks."""

    vector = "contextnet"


contextnet = partial(built, type="ContextNet")
head = partial(built, type="SeparableHead", num_classes=11)


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_no_norm(self):
        norms = layers(contextnet(), nn.BatchNorm2d) + layers(head(), nn.BatchNorm2d)
        without = contextnet(norm_cfg=None), head(norm_cfg=None)
        assert sum(len(layers(m, nn.BatchNorm2d)) for m in without) == 0
        difference = count(contextnet()) + count(head()) - sum(count(m) for m in without)
        assert difference == sum(2 * m.num_features for m in norms)

    def test_padded_first_convolutions(self):
        x = torch.randn(1, 3, 64, 96)
        assert [tuple(y.shape[2:]) for y in contextnet()(x)] == [(8, 12), (2, 3), (8, 12)]
        with torch.no_grad():
            plain, padded = contextnet().detail[0](x), contextnet(stem_padding=1).detail[0](x)
        assert plain.shape[2:] == (31, 47)
        assert padded.shape[2:] == (32, 48)

    def test_dilated_fusion(self):
        network = contextnet(fusion_dilation=4)
        dilated = [m for m in layers(network, nn.Conv2d) if m.dilation == (4, 4)]
        assert dilated == [network.fusion.depth.conv]
        assert count(network) == count(contextnet())

    def test_scale_of_the_context(self):
        small, large = contextnet(), contextnet(context_scale=0.5)
        x = torch.randn(1, 3, 64, 96)
        assert large(x)[1].shape[2:] == (4, 6)
        assert torch.equal(large(x)[0], small(x)[0])

    def test_dropout_of_single_values(self):
        assert [type(m) for m in head(dropout_ratio=0.2).modules() if getattr(m, "p", 0) == 0.2] == [
            nn.Dropout
        ]

    def test_prelu(self):
        slopes = layers(contextnet(act_cfg={"type": "PReLU"}), nn.PReLU)
        assert len(slopes) == len(layers(contextnet(), nn.ReLU))
