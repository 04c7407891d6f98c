"""FSSNet: parity, and every switch an ablation turns."""

from functools import partial

from torch import nn

from tests.networks.base import NetworkTest, built, count, layers


class TestFSSNet(NetworkTest):
    """As in Efficient-Segmentation-Networks."""

    vector = "fssnet"


fssnet = partial(built, type="FSSNet")
head = partial(built, type="FSSNetHead", num_classes=11)


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_no_norm(self):
        norms = layers(fssnet(), nn.BatchNorm2d) + layers(head(), nn.BatchNorm2d)
        assert [m.eps for m in norms] == [1e-3] + [1e-5] * (len(norms) - 1)
        without = fssnet(norm_cfg=None), head(norm_cfg=None)
        assert sum(len(layers(m, nn.BatchNorm2d)) for m in without) == 0
        difference = count(fssnet()) + count(head()) - sum(count(m) for m in without)
        assert difference == sum(2 * m.num_features for m in norms)

    def test_no_dilation(self):
        flat = fssnet(dilations=(1,) * 6)
        assert {m.dilation for m in layers(flat, nn.Conv2d)} == {(1, 1)}
        assert count(flat) == count(fssnet())

    def test_dropout_ratios(self):
        ratios = [m.p for m in layers(fssnet(dropout_ratio=(0.1, 0.2)), nn.Dropout2d)]
        assert ratios == [0.1] * 5 + [0.2] * 7
        assert {m.p for m in layers(head(dropout_ratio=0.4), nn.Dropout2d)} == {0.4}

    def test_prelu(self):
        slopes = layers(fssnet(act_cfg={"type": "PReLU"}), nn.PReLU)
        assert len(slopes) == len(layers(fssnet(), nn.ReLU))

    def test_numbers_of_blocks(self):
        short = fssnet(factorized_blocks=1, dilations=(2,))
        assert (len(short.blocks1), len(short.blocks2)) == (1, 1)
        assert len(head(blocks=1).blocks2) == 1
