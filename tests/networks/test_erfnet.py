"""ERFNet: parity, and every switch an ablation turns."""

from functools import partial

import torch
from torch import nn

from tests.networks.base import NetworkTest, built, count, layers


class TestERFNet(NetworkTest):
    """As released."""

    vector = "erfnet"
    kept_norms = 3


erfnet = partial(built, type="ERFNetEncoder")


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_no_norm(self):
        network, without = erfnet(), erfnet(norm_cfg=None)
        assert not layers(without, nn.BatchNorm2d)
        norms = layers(network, nn.BatchNorm2d)
        assert len(norms) == 3 + 13 * 2
        assert count(network) - count(without) == sum(2 * m.num_features for m in norms)

    def test_prelu(self):
        slopes = layers(erfnet(act_cfg={"type": "PReLU"}), nn.PReLU)
        assert len(slopes) == len(layers(erfnet(), nn.ReLU)) == 3 + 13 * 4
        assert len({id(p.weight) for p in slopes}) == len(slopes)

    def test_dilations(self):
        flat = erfnet(dilations=(1,) * 8)
        assert {m.dilation for m in layers(flat, nn.Conv2d)} == {(1, 1)}
        assert count(flat) == count(erfnet())
        assert len({m.dilation for m in layers(erfnet(), nn.Conv2d)}) == 1 + 2 * 4
        assert len(erfnet(dilations=(2, 4)).stages[2]) == 1 + 2

    def test_square_kernels(self):
        square = erfnet(factorized=False)
        assert {m.kernel_size for m in layers(square.stages[2][1:], nn.Conv2d)} == {(3, 3)}
        assert {m.dilation for m in layers(square, nn.Conv2d)} == {(d, d) for d in (1, 2, 4, 8, 16)}
        # 9 weights per channel pair instead of 6, and one bias less.
        more = sum(2 * blocks * (3 * c * c - c) for blocks, c in ((5, 64), (8, 128)))
        assert count(square) - count(erfnet()) == more

    def test_no_residual(self):
        block, plain = erfnet().stages[1][1], erfnet(residual=False).stages[1][1]
        plain.load_state_dict(block.state_dict())
        block.act2 = plain.act2 = nn.Identity()
        x = torch.randn(1, 64, 8, 8)
        assert torch.allclose(block(x), x + plain(x), atol=1e-6)

    def test_the_decoder_has_the_same_switches(self):
        head = partial(built, type="ESNetHead", num_classes=11, kernel_sizes=(3, 3))
        square, plain = head(factorized=False), head(residual=False)
        assert {m.kernel_size for m in layers(square, nn.Conv2d)} == {(3, 3)}
        assert {m.kernel_size for m in layers(plain, nn.Conv2d)} == {(3, 1), (1, 3)}
        assert not [m for m in plain.layers if getattr(m, "residual", False)]

    def test_blocks(self):
        assert len(erfnet(blocks=2).stages[1]) == 1 + 2

    def test_dropout_ratios(self):
        ratios = [m.p for m in layers(erfnet(dropout_ratio=(0.1, 0.2)), nn.Dropout2d)]
        assert ratios == [0.1] * 5 + [0.2] * 8
