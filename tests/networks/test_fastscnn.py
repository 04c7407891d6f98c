"""Fast-SCNN: parity, and every switch an ablation turns."""

from functools import partial

import torch
from torch import nn

from tests.networks.base import NetworkTest, built, count, layers


class TestFastSCNN(NetworkTest):
    """As in Efficient-Segmentation-Networks."""

    vector = "fastscnn"


fastscnn = partial(built, type="FastSCNNEncoder")


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_no_norm(self):
        norms = layers(fastscnn(), nn.BatchNorm2d)
        without = fastscnn(norm_cfg=None)
        assert layers(without, nn.BatchNorm2d) == []
        assert count(fastscnn()) - count(without) == sum(2 * m.num_features for m in norms)

    def test_dilated_fusion_as_in_the_paper(self):
        network = fastscnn(fusion_dilation=4)
        dilated = [m for m in layers(network, nn.Conv2d) if m.dilation == (4, 4)]
        assert dilated == [network.fusion.depth.conv]
        assert count(network) == count(fastscnn())

    def test_no_pyramid(self):
        flat = fastscnn(pyramid_bins=())
        assert count(fastscnn()) - count(flat) == 4 * (128 * 32 + 64) + 256 * 128 + 256
        x = torch.randn(1, 3, 64, 96)
        assert torch.equal(flat(x)[1], flat.bottlenecks(flat(x)[0]))

    def test_no_detail_skip(self):
        network, alone = fastscnn(), fastscnn(detail_skip=False)
        assert count(network) - count(alone) == 64 * 128 + 128 + 2 * 128
        alone.load_state_dict(network.state_dict(), strict=False)
        nn.init.zeros_(network.fusion.high.conv.weight)
        nn.init.zeros_(network.fusion.high.conv.bias)
        x = torch.randn(1, 3, 64, 96)
        assert torch.equal(alone(x)[2], network(x)[2])

    def test_padded_first_convolution(self):
        x = torch.randn(1, 3, 64, 96)
        assert fastscnn().downsample[0](x).shape[2:] == (31, 47)
        assert fastscnn(stem_padding=1).downsample[0](x).shape[2:] == (32, 48)

    def test_prelu(self):
        slopes = layers(fastscnn(act_cfg={"type": "PReLU"}), nn.PReLU)
        assert len(slopes) == len(layers(fastscnn(), nn.ReLU))
