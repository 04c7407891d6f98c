"""FANet: parity with the authors' code, and its attention."""

import torch
from torch.nn import functional as F

from lednet_mm.networks.fanet import FastAttention
from tests.networks.base import NetworkTest


class TestFANet18(NetworkTest):
    """As released."""

    vector = "fanet18"
    narrow = {
        "model.backbone.channels": (16, 32, 64, 128),
        "model.backbone.smooth_channels": 32,
        "model.decode_head.in_channels": 64,
        "model.auxiliary_head.0.in_channels": 32,
        "model.auxiliary_head.1.in_channels": 32,
    }


def test_attention_multiplies_keys_and_values_first_with_the_same_result():
    torch.manual_seed(0)
    attention = FastAttention(8, 4, norm_cfg=None, act_cfg=None).double().eval()
    x = torch.randn(2, 8, 3, 5).double()
    with torch.inference_mode():
        query, key = (F.normalize(part(x), dim=1).flatten(2) for part in (attention.query, attention.key))
        weights = query.transpose(1, 2) @ key  # (N, positions, positions)
        mixed = attention.value(x).flatten(2) @ weights.transpose(1, 2)
        expected = x + attention.fuse(mixed.reshape(x.shape))
        torch.testing.assert_close(attention(x), expected)
