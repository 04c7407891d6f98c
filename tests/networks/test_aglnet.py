"""AGLNet: parity with the re-implementation, and what its switches change."""

from functools import partial

import torch
from torch import nn

from tests.networks.base import NetworkTest, built, count


class TestAGLNet(NetworkTest):
    """As re-implemented by zh320."""

    vector = "zh320_aglnet"


encoder = partial(built, type="AGLNet")
decoder = partial(built, type="AGLNetHead", num_classes=11)


def maps():
    return [torch.randn(1, c, 32 // s, 32 // s) for c, s in ((32, 1), (64, 2), (128, 4))]


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_no_norm(self):
        modules = [*encoder(norm_cfg=None).modules(), *decoder(norm_cfg=None).modules()]
        assert not any(isinstance(m, nn.BatchNorm2d) for m in modules)

    def test_no_shuffle_keeps_the_halves_apart(self):
        for shuffle in (True, False):
            blocks = encoder(shuffle=shuffle).stages[0][1:]
            features = torch.randn(1, 32, 8, 8)
            changed = features.clone()
            changed[:, 16:] += 1
            difference = (blocks(features) - blocks(changed))[:, :16].abs().max()
            assert (difference > 0) == shuffle

    def test_no_dilation(self):
        flat = encoder(dilations=(1,) * 8)
        assert all(m.dilation == (1, 1) for m in flat.modules() if isinstance(m, nn.Conv2d))
        assert count(flat) == count(encoder())

    def test_no_attention_pyramid(self):
        full, without = decoder(), decoder(attention_pyramid=False)
        assert count(full) - count(without) == count(full.pyramid)
        assert without(maps()).shape == (1, 11, 32, 32)

    def test_plain_upsampling_is_a_sum(self):
        head = decoder(attention_upsampling=False)
        low, middle, _ = maps()
        assert torch.equal(head.up2(low, middle), low + head.up2.up(middle))
        assert count(decoder()) - count(head) == 64 + 64 * 64 + 32 + 32 * 32
