"""SCTNet: parity with the authors' code, and its attention."""

import torch
from torch import nn

from lednet_mm.networks.sctnet import ConvolutionalAttention
from tests.networks.base import NetworkTest


class TestSCTNetS(NetworkTest):
    """As released, without its teacher."""

    vector = "sctnet_s"
    narrow = {
        "model.backbone.channels": 8,
        "model.decode_head.in_channels": 32,
        "model.auxiliary_head.in_channels": 16,
    }
    kept_norms = 18

    def build(self):
        model = super().build()
        for attention in model.modules():
            if isinstance(attention, ConvolutionalAttention):  # its kernels begin at zero
                nn.init.normal_(attention.vertical, std=0.1)
                nn.init.normal_(attention.horizontal, std=0.1)
        return model


class TestSCTNetB(TestSCTNetS):
    """As released, of twice as many channels."""

    vector = "sctnet_b"
    giant = True
    sibling = True


def test_fresh_attention_adds_nothing_and_its_kernels_learn():
    attention = ConvolutionalAttention(8, norm_cfg={"type": "BN"})
    answer = attention(torch.randn(2, 8, 6, 9))
    assert not answer.any()
    answer.sum().backward()
    assert attention.vertical.grad.any()
    assert attention.horizontal.grad.any()


def test_weights_are_positions_shares_normalised_over_a_heads_keys():
    attention = ConvolutionalAttention(4, keys=6, heads=2, norm_cfg=None)
    scores = torch.randn(2, 6, 3, 5)
    weights = attention._weigh(scores).unflatten(1, (2, 3))
    torch.testing.assert_close(weights.sum(dim=2), torch.ones(2, 2, 3, 5), rtol=0, atol=1e-3)
