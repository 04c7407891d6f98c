"""FBSNet: parity with the authors' code, and what its switches change."""

from functools import partial

import torch
from torch import nn

from tests.networks.base import NetworkTest, built, layers


class TestFBSNet(NetworkTest):
    """As released."""

    vector = "fbsnet"
    narrow = {
        "model.backbone.dilations": ((1,), (2,), (1, 4)),
        "model.decode_head.blocks": 1,
    }
    kept_norms = 21


encoder = partial(built, type="FBSNet")
decoder = partial(built, type="FBSNetHead", num_classes=11)


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_no_channel_attention(self):
        # Four in each unit, one at the end of each stage, and one more before the first.
        assert len(layers(encoder(), nn.Conv1d)) == 4 * 26 + 3 + 1
        assert len(layers(decoder(), nn.Conv1d)) == 4 * 6 + 2
        for network in (encoder(channel_attention=False), decoder(channel_attention=False)):
            assert layers(network, nn.Conv1d) == []

    def test_no_dilation(self):
        flat = encoder(dilations=((1,) * 5, (1,) * 5, (1,) * 16))
        assert {m.dilation for m in layers(flat, nn.Conv2d)} == {(1, 1)}
        assert len(layers(flat, nn.Conv2d)) == len(layers(encoder(), nn.Conv2d))

    def test_without_the_detail_branch_the_first_map_gives_its_size_alone(self):
        maps = [torch.randn(1, channels, 24 // scale, 40 // scale) for channels, scale in ((16, 1), (128, 4))]
        other = [torch.randn_like(maps[0]), maps[1]]
        with torch.inference_mode():
            for head, equal in ((decoder(), False), (decoder(detail_branch=False), True)):
                assert torch.equal(head(maps), head(other)) == equal

    def test_coordinate_attention_weighs_rows_and_columns(self):
        attend = decoder().attend
        with torch.inference_mode():
            weights = attend(torch.ones(1, 32, 6, 8))
            assert torch.allclose(weights[..., :1, :] * weights[..., :1], weights * weights[..., :1, :1])
        assert isinstance(decoder(coordinate_attention=False).attend, nn.Identity)

    def test_no_norm(self):
        for network in (encoder(norm_cfg=None), decoder(norm_cfg=None)):
            assert layers(network, nn.BatchNorm2d) == []
