"""MiniNet: parity with the re-implementation, and what its switches change."""

from functools import partial

from torch import nn

from tests.networks.base import NetworkTest, built, count, layers


class TestMiniNet(NetworkTest):
    """As re-implemented by zh320."""

    vector = "zh320_mininet"


encoder = partial(built, type="MiniNet")
head = partial(built, type="MiniNetHead", num_classes=11)


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_no_dilation(self):
        assert {m.dilation[0] for m in layers(encoder(), nn.Conv2d)} == {1, 2, 4, 8}
        flat = encoder(dilations=(1,) * 4)
        assert {m.dilation[0] for m in layers(flat, nn.Conv2d)} == {1}
        assert count(flat) == count(encoder())

    def test_dropout_ratio(self):
        assert [m.p for m in layers(encoder(dropout_ratio=0.1), nn.Dropout)] == [0.1] * 8
        assert [m.p for m in layers(head(dropout_ratio=0.1), nn.Dropout)] == [0.1]

    def test_plain_logits(self):
        # Norm and activation go, the bias of the transposed convolution stays.
        assert count(head()) - count(head(norm_act_logits=False)) == 2 * 11
        assert not layers(head(norm_act_logits=False).up1, nn.SELU)

    def test_no_norm(self):
        assert not layers(encoder(norm_cfg=None), nn.BatchNorm2d)
        assert not layers(head(norm_cfg=None), nn.BatchNorm2d)
