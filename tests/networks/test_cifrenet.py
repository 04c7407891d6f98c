"""CIFReNet: parity with the authors' code, and what its switches change."""

from functools import partial

import torch
from torch import nn

from tests.networks.base import NetworkTest, built, layers


class TestCIFReNet(NetworkTest):
    """As released, without pretrained weights."""

    vector = "cifrenet"
    kept_norms = 1


encoder = partial(built, type="CIFReNet")
decoder = partial(built, type="CIFReNetHead", num_classes=11)


def deepest(network: nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        return network(torch.linspace(-1, 1, 3 * 32 * 48).reshape(1, 3, 32, 48))[-1]


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_attention_weighs_the_fine_map(self):
        weighed, plain, bare = encoder(), encoder(attention=False), encoder(refinement=False)
        plain.load_state_dict(weighed.state_dict(), strict=False)
        bare.load_state_dict(weighed.state_dict(), strict=False)
        for bias, equal in ((50.0, plain), (-50.0, bare)):  # weights of 1, and of 0
            nn.init.zeros_(weighed.refinement.weigh[2].weight)
            nn.init.constant_(weighed.refinement.weigh[2].bias, bias)
            torch.testing.assert_close(deepest(weighed), deepest(equal))

    def test_a_shorter_cascade(self):
        rates = [m.dilation[0] for m in layers(decoder().cascade, nn.Conv2d) if m.groups == 64]
        assert rates == [1, 2, 3, 5, 7, 9, 11, 13, 17, 19, 21, 23]
        assert len(decoder(dilations=((1, 2, 3, 5),)).cascade) == 1

    def test_no_norm(self):
        for network in (encoder(norm_cfg=None), decoder(norm_cfg=None)):
            assert layers(network, nn.BatchNorm2d) == []
