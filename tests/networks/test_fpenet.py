"""FPENet: parity, and every switch an ablation turns."""

from functools import partial

import torch
from torch import nn

from tests.networks.base import NetworkTest, built, count, layers


class TestFPENet(NetworkTest):
    """As in Efficient-Segmentation-Networks."""

    vector = "fpenet"


fpenet = partial(built, type="FPENet")
head = partial(built, type="FPENetHead", num_classes=19)


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_no_norm(self):
        norms = layers(fpenet(), nn.BatchNorm2d) + layers(head(), nn.BatchNorm2d)
        without = fpenet(norm_cfg=None), head(norm_cfg=None)
        assert sum(len(layers(m, nn.BatchNorm2d)) for m in without) == 0
        difference = count(fpenet()) + count(head()) - sum(count(m) for m in without)
        assert difference == sum(2 * m.num_features for m in norms)

    def test_expansion_in_every_block(self):
        whole = fpenet(expand_every_block=True)
        assert {len(block.expand.conv.weight) for block in whole.stage2} == {128}
        assert {len(block.expand.conv.weight) for block in whole.stage3} == {256}
        assert round(count(whole) + count(head()), -3) == 346_000

    def test_no_dilation(self):
        flat = fpenet(dilations=(1,) * 4)
        assert {m.dilation for m in layers(flat, nn.Conv2d)} == {(1, 1)}
        assert count(flat) == count(fpenet())

    def test_no_attention(self):
        weighted, plain = head(), head(attention=False)
        assert count(weighted) - count(plain) == 2 + 64 * 64 + 32 * 32
        plain.load_state_dict(weighted.state_dict(), strict=False)
        maps = fpenet()(torch.randn(1, 3, 32, 32))
        assert not torch.equal(weighted(maps), plain(maps))

    def test_channel_attention_without_its_relu(self):
        assert len(layers(head(), nn.ReLU)) == 2
        assert len(layers(head(act_cfg=None), nn.ReLU)) == 0

    def test_prelu(self):
        slopes = layers(fpenet(act_cfg={"type": "PReLU"}), nn.PReLU)
        assert len(slopes) == len(layers(fpenet(), nn.ReLU))
