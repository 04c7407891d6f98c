"""LEDNet: parity of four versions, and every switch an ablation turns."""

import pytest
import torch
from mmseg.registry import MODELS
from torch import nn

from tests.networks.base import NetworkTest, count, layers


class TestLEDNet(NetworkTest):
    """As released."""

    vector = "lednet_official"


class TestLEDNetWidePyramid(NetworkTest):
    """The repository's second file."""

    vector = "lednet_apn128"


class TestLEDNetWithoutNorm(NetworkTest):
    """The network of the authors' speed test."""

    vector = "lednet_no_bn"


class TestLEDNetFactorized(NetworkTest):
    """The third-party version with a factorised pyramid."""

    vector = "lednet_esn"


def lednet(backbone=None, head=None):
    """Build LEDNet with changed arguments: (backbone, head)."""
    torch.manual_seed(0)
    return (
        MODELS.build({"type": "LEDNet", **(backbone or {})}).eval(),
        MODELS.build({"type": "APNHead", "num_classes": 11, **(head or {})}).eval(),
    )


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_no_norm_removes_every_norm_and_nothing_else(self):
        plain, head = lednet()
        without, bare = lednet({"norm_cfg": None}, {"norm_cfg": None})
        assert len(layers(without, nn.BatchNorm2d)) == len(layers(bare, nn.BatchNorm2d)) == 0
        norms = [m for m in [*plain.modules(), *head.modules()] if isinstance(m, nn.BatchNorm2d)]
        assert len(norms) == 13 * 4 + 3 + 8
        assert count(plain) + count(head) - count(without) - count(bare) == sum(
            2 * m.num_features for m in norms
        )

    def test_norm_only_outside_the_blocks(self):
        assert len(layers(lednet({"norm_in_blocks": False})[0], nn.BatchNorm2d)) == 3

    def test_prelu_in_the_encoder_only(self):
        encoder, head = lednet({"act_cfg": {"type": "PReLU"}})
        assert len(layers(encoder, nn.ReLU)) == 0
        assert len(layers(encoder, nn.PReLU)) == len(layers(lednet()[0], nn.ReLU))
        assert len(layers(head, nn.PReLU)) == 0
        slopes = [p for m in encoder.modules() if isinstance(m, nn.PReLU) for p in m.parameters()]
        assert len({id(p) for p in slopes}) == len(slopes)
        assert count(encoder) == count(lednet()[0]) + sum(p.numel() for p in slopes)

    def test_no_shuffle_keeps_the_halves_apart(self):
        x = torch.randn(1, 3, 32, 32)
        mixed, apart = lednet()[0], lednet({"shuffle": False})[0]
        assert count(mixed) == count(apart)
        assert not torch.equal(mixed(x)[-1], apart(x)[-1])
        # Without the shuffle a block's left output half depends on its left input half alone.
        for network, crosses in ((mixed, True), (apart, False)):
            blocks = network.stages[0][1:]
            features = torch.randn(1, 32, 8, 8)
            changed = features.clone()
            changed[:, 16:] += 1
            difference = (blocks(features) - blocks(changed))[:, :16].abs().max()
            assert (difference > 0) == crosses

    def test_no_split_is_one_branch_of_full_width(self):
        whole = lednet({"split": False})[0]
        assert {m.weight.shape[:2] for m in whole.stages[2][3].modules() if isinstance(m, nn.Conv2d)} == {
            (128, 128)
        }

    def test_no_dilation(self):
        flat = lednet({"dilations": (1,) * 8})[0]
        assert all(m.dilation == (1, 1) for m in flat.modules() if isinstance(m, nn.Conv2d))
        assert count(flat) == count(lednet()[0])

    def test_dropout_ratios(self):
        ratios = [
            m.p for m in lednet({"dropout_ratio": (0.1, 0.2)})[0].modules() if isinstance(m, nn.Dropout2d)
        ]
        assert ratios == [0.1] * 5 + [0.2] * 8

    def test_no_bias(self):
        modules = [m for part in lednet({"bias": False}, {"bias": False}) for m in part.modules()]
        assert all(m.bias is None for m in modules if isinstance(m, nn.Conv2d))

    def test_no_pyramid_is_a_plain_classifier(self):
        head = lednet(head={"attention_pyramid": False})[1]
        assert count(head) == 128 * 11 + 11
        x = torch.randn(1, 128, 5, 7)
        assert torch.equal(head((x,)), head.conv_seg(x))

    def test_no_global_pooling(self):
        x = torch.randn(2, 128, 6, 7)
        with_pooling, without = lednet()[1], lednet(head={"global_pooling": False})[1]
        without.load_state_dict(with_pooling.state_dict(), strict=False)
        difference = with_pooling((x,)) - without((x,))
        assert torch.allclose(
            difference, with_pooling.pooled(x.mean((2, 3), keepdim=True)).expand_as(difference)
        )

    def test_transposed_upsampling_ends_at_full_resolution(self):
        head = lednet(head={"upsampling": "transposed"})[1]
        assert head((torch.randn(1, 128, 6, 7),)).shape == (1, 11, 48, 56)
        added = 3 * (11 * 11 * 9 + 11) + 2 * 2 * 11
        assert count(head) - count(lednet()[1]) == added
        with pytest.raises(ValueError, match="bilinear or transposed"):
            lednet(head={"upsampling": "nearest"})

    def test_a_wide_pyramid_is_not_factorised(self):
        with pytest.raises(ValueError, match="pyramid_width=128"):
            lednet(head={"factorized": True, "pyramid_width": 128})
