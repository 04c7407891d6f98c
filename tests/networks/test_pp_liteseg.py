"""PP-LiteSeg: parity with the re-implementation, and what its switches change."""

from functools import partial

import torch
from torch import nn

from tests.networks.base import NetworkTest, built, layers


class TestPPLiteSeg(NetworkTest):
    """As re-implemented by zh320, with STDC1."""

    vector = "zh320_pp_liteseg"


encoder = partial(built, type="PPLiteSegSTDC")
head = partial(built, type="PPLiteSegHead", num_classes=11)


MAPS = (torch.randn(1, 256, 9, 7), torch.randn(1, 512, 5, 4), torch.randn(1, 1024, 3, 2))


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_stdc2_has_more_blocks(self):
        assert [len(stage) for stage in encoder(blocks=(4, 5, 3)).stages] == [4, 5, 3]

    def test_fusion_by_addition(self):
        fusion = head(attention=False).fusion1
        low, deep = torch.randn(1, 512, 4, 4), torch.randn(1, 32, 4, 4)
        assert torch.equal(fusion(low, deep), deep + fusion.project(low))

    def test_no_pyramid_pooling_is_its_last_convolution_alone(self):
        plain = head(pool_sizes=())
        assert isinstance(plain.context, nn.Conv2d)
        assert plain(MAPS).shape == (1, 11, 9, 7)

    def test_plain_logits_can_be_negative(self):
        assert head()(MAPS).min() >= 0
        plain = head(norm_act_logits=False)
        assert plain(MAPS).min() < 0
        assert plain.classifier.bias is not None

    def test_no_norm(self):
        assert not layers(encoder(norm_cfg=None), nn.BatchNorm2d)
        assert not layers(head(norm_cfg=None), nn.BatchNorm2d)
