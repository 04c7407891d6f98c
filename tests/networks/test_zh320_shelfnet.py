"""ShelfNet: parity with the re-implementation, and what its switches change."""

from functools import partial

from torch import nn

from tests.networks.base import NetworkTest, built, count, layers


class TestShelfNet(NetworkTest):
    """As re-implemented by zh320, with ResNet-18."""

    vector = "zh320_shelfnet"


head = partial(built, type="ZH320ShelfNetHead", num_classes=11)


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_shared_weights(self):
        widths = (32, 64, 128, 256)
        in_blocks = [9 * width**2 for width in (*widths, *widths[:-1], *widths)]
        assert count(head()) - count(head(shared_weights=True)) == sum(in_blocks)
        block = head(shared_weights=True).up1.blocks[0]
        assert block.conv1.conv is block.conv2.conv
        assert block.conv1.norm is not block.conv2.norm

    def test_no_norm(self):
        assert not layers(head(norm_cfg=None), nn.BatchNorm2d)
