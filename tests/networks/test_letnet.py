"""LETNet: parity with the authors' code, its attention and patches, and what its switches change."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lednet_mm.networks.letnet import ChunkedAttention, fold_patches, unfold_patches
from tests.networks.base import NetworkTest, built, layers


class TestLETNet(NetworkTest):
    """As released, its third long connection made to fit."""

    vector = "letnet"
    narrow = {"model.backbone.dilations": ((2,), (2,), (4,)), "model.decode_head.blocks": 1}
    kept_norms = 21


encoder = partial(built, type="LETNet")
decoder = partial(built, type="LETNetHead", num_classes=11)


class TestSwitches:
    """Each switch changes exactly what it names."""

    def test_no_channel_attention(self):
        for network in (encoder, decoder):
            assert layers(network(), nn.Conv1d)
            assert layers(network(channel_attention=False), nn.Conv1d) == []

    def test_no_transformer(self):
        with torch.inference_mode():
            *_, before, after = encoder(transformer=False)(torch.randn(1, 3, 32, 48))
        assert torch.equal(before, after)

    def test_no_long_connections(self):
        maps = [torch.randn(1, *shape) for shape in ((64, 8, 12), (128, 4, 6), (32, 2, 3), (32, 2, 3))]
        others = [*(torch.randn_like(x) for x in maps[:3]), maps[3]]
        with torch.inference_mode():
            for head, equal in ((decoder(), False), (decoder(long_connections=False), True)):
                assert torch.equal(head(maps), head(others)) == equal

    def test_no_norm(self):
        for network in (encoder(norm_cfg=None), decoder(norm_cfg=None)):
            assert layers(network, nn.BatchNorm2d) == []


@pytest.mark.parametrize("size", [(4, 6), (1, 3), (5, 1)])
def test_patches_are_pytorchs(size):
    x = torch.randn(2, 3, *size).double()
    patches = unfold_patches(x)
    assert torch.equal(patches, F.unfold(x, 3, padding=1).transpose(1, 2))
    folded = F.fold(patches.transpose(1, 2), size, 3, padding=1)
    torch.testing.assert_close(fold_patches(patches, size), folded)


@pytest.mark.parametrize("tokens", [1, 3, 4, 7, 8, 11, 22])
def test_a_token_attends_to_its_chunk_alone(tokens):
    torch.manual_seed(0)
    attention = ChunkedAttention(16, 8, heads=2).double().eval()
    x = torch.randn(2, tokens, 16).double()
    with torch.inference_mode():
        answer = attention(x)
        for chunk, result in zip(*(t.split(max(tokens // 4, 1), dim=1) for t in (x, answer)), strict=True):
            queries, keys, values = (
                t.unflatten(2, (2, 4)).transpose(1, 2)
                for t in attention.qkv(attention.reduce(chunk)).chunk(3, dim=2)
            )
            mixed = F.scaled_dot_product_attention(queries, keys, values, scale=(16 / 2) ** -0.5)
            expected = attention.project(mixed.transpose(1, 2).flatten(2))
            torch.testing.assert_close(result, expected)
