"""ESNet: parity, and every switch an ablation turns."""

from functools import partial

import torch
from torch import nn

from tests.networks.base import NetworkTest, built, count, layers


class TestESNet(NetworkTest):
    """As in Efficient-Segmentation-Networks."""

    vector = "esnet"
    kept_norms = 3


esnet = partial(built, type="ESNet")
head = partial(built, type="ESNetHead", num_classes=11)


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_no_norm(self):
        norms = layers(esnet(), nn.BatchNorm2d) + layers(head(), nn.BatchNorm2d)
        assert len(norms) == 3 + 8 * 2 + 2 + 4 * 2
        without = esnet(norm_cfg=None), head(norm_cfg=None)
        assert sum(len(layers(m, nn.BatchNorm2d)) for m in without) == 0
        difference = count(esnet()) + count(head()) - sum(count(m) for m in without)
        assert difference == sum(2 * m.num_features for m in norms)

    def test_a_norm_for_each_branch(self):
        apart = esnet(shared_norm=False)
        assert count(apart) - count(esnet()) == 3 * 2 * 2 * 128
        x = torch.randn(1, 3, 32, 32)
        # Until they are trained, all normalisations are alike.
        torch.testing.assert_close(apart(x)[-1], esnet()(x)[-1])

    def test_dilations(self):
        flat = esnet(dilations=(1, 1, 1))
        assert {m.dilation for m in layers(flat, nn.Conv2d)} == {(1, 1)}
        assert count(flat) == count(esnet())
        assert count(esnet(dilations=(2,))) < count(esnet())

    def test_kernel_sizes_and_dropout(self):
        small = esnet(kernel_sizes=(3, 3), dropout_ratio=(0.1, 0.2))
        assert {max(m.kernel_size) for m in layers(small, nn.Conv2d)} == {3}
        assert [m.p for m in layers(small, nn.Dropout2d)] == [0.1] * 5 + [0.2] * 3
        assert {max(m.kernel_size) for m in layers(head(kernel_sizes=(3, 3)), nn.Conv2d)} == {3}

    def test_prelu(self):
        slopes = layers(esnet(act_cfg={"type": "PReLU"}), nn.PReLU)
        assert len(slopes) == len(layers(esnet(), nn.ReLU))
