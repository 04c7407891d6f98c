"""EfficientViT-Seg: parity with the authors' code, and its attention."""

import torch
from torch import nn

from lednet_mm.networks.efficientvit import LinearAttention
from tests.networks.base import NetworkTest


class TestEfficientViTSegB0(NetworkTest):
    """As released."""

    vector = "efficientvit_seg_b0"


class TestEfficientViTSegB1(NetworkTest):
    """As released."""

    vector = "efficientvit_seg_b1"
    giant = True
    sibling = True


def test_attention_is_a_mean_of_values_weighted_by_queries_and_keys():
    torch.manual_seed(0)
    attention = LinearAttention(8, 8, norm_cfg=None).double().eval()
    nn.init.zeros_(attention.neighbours[1].weight)  # the second head gives nothing
    x = torch.randn(1, 8, 3, 4).double()
    with torch.inference_mode():
        query, key, value = attention.qkv(x).flatten(2).chunk(3, dim=1)
        weights = query.relu().transpose(1, 2) @ key.relu()  # (N, queries, keys)
        mean = value @ (weights / weights.sum(dim=2, keepdim=True)).transpose(1, 2)
        joined = torch.cat([mean, torch.zeros_like(mean)], dim=1).reshape(1, 16, 3, 4)
        torch.testing.assert_close(attention(x), x + attention.project(joined))
