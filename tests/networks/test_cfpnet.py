"""CFPNet: parity with the authors' code, and what its switches change."""

from functools import partial

import torch
from torch import nn

from tests.networks.base import NetworkTest, built, layers


class TestCFPNet(NetworkTest):
    """As released."""

    vector = "cfpnet"
    narrow = {"model.backbone.dilations": ((2,), (4, 8))}
    kept_norms = 10


cfpnet = partial(built, type="CFPNet")


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_dilations_follow_from_one_number(self):
        module = cfpnet().stages[1][-1]
        rates = [max(layers(pyramid, nn.Conv2d)[0].dilation) for pyramid in module.pyramids]
        assert rates == [1, 5, 9, 17]

    def test_without_sums_a_pyramid_reaches_its_own_channels_alone(self):
        for hierarchical, reached in ((True, {0, 1, 2, 3}), (False, {0})):
            module = cfpnet(hierarchical=hierarchical).stages[1][0]
            seen = []
            module.norm_act2.register_forward_pre_hook(lambda _, inputs, seen=seen: seen.append(inputs[0]))
            x = torch.randn(1, 128, 6, 8)
            with torch.inference_mode():
                module(x)
                first = module.pyramids[0].levels[2][1].norm
                nn.init.constant_(first.bias, 3.0)
                module(x)
            changed = (seen[0] != seen[1]).any(dim=0).any(dim=1).any(dim=1).reshape(4, -1).any(dim=1)
            assert {i for i in range(4) if changed[i]} == reached

    def test_no_image(self):
        with torch.inference_mode():
            assert [m.shape[1] for m in cfpnet(image_injection=False)(torch.randn(1, 3, 32, 32))] == [
                32,
                128,
                256,
            ]

    def test_no_norm(self):
        assert layers(cfpnet(norm_cfg=None), nn.BatchNorm2d) == []
