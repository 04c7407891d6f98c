"""ESPNet: parity of the whole and of its encoder, and what the switches change."""

from functools import partial

import pytest
import torch
from mmseg.registry import MODELS
from torch import nn

from lednet_mm.checkpoints.authors import authors_model
from lednet_mm.checkpoints.parity import build_model
from tests.networks.base import NetworkTest, built, count, layers


class TestESPNet(NetworkTest):
    """As in the authors' train folder."""

    vector = "espnet"
    kept_norms = 18


class TestESPNetEncoder(NetworkTest):
    """ESPNet-C."""

    vector = "espnet_encoder"
    kept_norms = 15


espnet = partial(built, type="ESPNet")


class TestSwitches:
    """Each switch changes exactly what it names."""

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            ({}, [16, 19, 131, 256]),
            ({"image_injection": False}, [16, 16, 128, 256]),
            ({"block_shortcuts": False}, [16, 19, 67, 128]),
        ],
    )
    def test_what_is_concatenated(self, arguments, expected):
        maps = espnet(**arguments)(torch.randn(1, 3, 32, 64))
        assert [m.shape[1] for m in maps] == expected
        head = MODELS.build({"type": "ESPNetHead", "in_channels": expected, "num_classes": 11})
        assert head(maps).shape == (1, 11, 32, 64)

    @pytest.mark.parametrize("arguments", [{"residual": False}, {"hierarchical_fusion": False}])
    def test_sums_have_no_parameters(self, arguments):
        image = torch.randn(1, 3, 32, 64)
        plain, changed = espnet(), espnet(**arguments)
        changed.load_state_dict(plain.state_dict())
        assert torch.equal(plain(image)[1], changed(image)[1])
        assert not torch.equal(plain(image)[3], changed(image)[3])

    def test_without_fusion_branches_are_concatenated_as_they_are(self):
        block = espnet(hierarchical_fusion=False, residual=False, norm_cfg=None, act_cfg=None).level3[0]
        x = torch.randn(1, 128, 8, 8)
        parts = [branch(block.reduce(x)) for branch in block.branches]
        assert torch.equal(block(x), torch.cat(parts, dim=1))

    def test_dilations_are_the_branches(self):
        three = espnet(dilations=(1, 2, 3))
        block = three.level3[0]
        assert [branch.dilation[0] for branch in block.branches] == [1, 2, 3]
        assert [branch.out_channels for branch in block.branches] == [44, 42, 42]
        assert three(torch.randn(1, 3, 32, 64))[3].shape == (1, 256, 4, 8)

    def test_more_branches_than_channels_are_refused(self):
        with pytest.raises(ValueError, match="4 channels are too few for 5 branches"):
            MODELS.build({"type": "ESPNetHead", "num_classes": 4})

    @pytest.mark.parametrize("blocks", [3, 5, 8])
    def test_the_released_decoder_merges_without_the_image(self, blocks):
        plain = build_model(authors_model("espnet"), 20)
        released = build_model(authors_model(f"espnet_q{blocks}"), 20)
        assert len(released.backbone.level3) == blocks
        assert plain.decode_head.merge1.conv.in_channels == 20 + 19
        assert released.decode_head.merge1.conv.in_channels == 20 + 16
        assert count(plain.decode_head) - count(released.decode_head) == 3 * 20 * 9
        assert released.logits(torch.randn(1, 3, 32, 64)).shape == (1, 20, 32, 64)

    def test_no_norm_and_relu(self):
        without = espnet(norm_cfg=None, act_cfg={"type": "ReLU"})
        assert layers(without, nn.BatchNorm2d) == layers(without, nn.PReLU) == []
        assert len(layers(without, nn.ReLU)) == len(layers(espnet(), nn.PReLU))
