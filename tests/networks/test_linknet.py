"""LinkNet: parity, and every switch an ablation turns."""

from functools import partial

import torch
from torch import nn

from tests.networks.base import NetworkTest, built, count, layers


class TestLinkNet(NetworkTest):
    """The class with its own encoder in Efficient-Segmentation-Networks."""

    vector = "linknet"


linknet = partial(built, type="LinkNet")
head = partial(built, type="LinkNetHead", num_classes=11)


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_no_norm(self):
        norms = layers(linknet(), nn.BatchNorm2d) + layers(head(), nn.BatchNorm2d)
        without = linknet(norm_cfg=None), head(norm_cfg=None)
        assert sum(len(layers(m, nn.BatchNorm2d)) for m in without) == 0
        difference = count(linknet()) + count(head()) - sum(count(m) for m in without)
        assert difference == sum(2 * m.num_features for m in norms)

    def test_no_links(self):
        *skips, deep = linknet()(torch.randn(1, 3, 64, 64))
        silent = [torch.zeros_like(skip) for skip in skips]
        alone = head(links=False)
        assert torch.equal(alone((*skips, deep)), alone((*silent, deep)))
        assert torch.equal(alone((*skips, deep)), head()((*silent, deep)))
        assert not torch.equal(alone((*skips, deep)), head()((*skips, deep)))

    def test_prelu(self):
        slopes = layers(linknet(act_cfg={"type": "PReLU"}), nn.PReLU)
        assert len(slopes) == len(layers(linknet(), nn.ReLU)) == 1 + 8 * 2

    def test_numbers_of_blocks(self):
        assert [len(stage) for stage in linknet(blocks=(3, 4, 6, 3)).stages] == [3, 4, 6, 3]
