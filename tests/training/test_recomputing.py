"""Blocks that are computed again train exactly as those that are not, with less memory."""

from __future__ import annotations

import copy

import pytest
import torch
from mmengine.runner import turn_on_activation_checkpointing
from mmseg.registry import MODELS
from torch import nn

import lednet_mm.register  # noqa: F401
from lednet_mm.training.recomputing import blocks_of, recompute_blocks


def backbone(kind: str) -> nn.Module:
    torch.manual_seed(0)
    return MODELS.build({"type": kind}).train()


def step(network: nn.Module, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the deepest map, all gradients and all statistics of one training step."""
    torch.manual_seed(1)  # of dropout
    maps = network(images)
    deepest = maps[-1] if isinstance(maps, tuple) else maps
    deepest.square().mean().backward()
    gradients = {name: p.grad for name, p in network.named_parameters()}
    return {"map": deepest.detach(), **gradients, **dict(network.named_buffers())}


@pytest.mark.parametrize("kind", ["LEDNet", "DABNet"])
def test_the_same_bits(kind):
    images = torch.randn(2, 3, 32, 64)
    plain, less = backbone(kind), backbone(kind)
    assert recompute_blocks(less) == len(list(blocks_of(plain))) > 10
    expected, found = step(plain, images), step(less, images)
    assert expected.keys() == found.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_mmengine_updates_statistics_twice():
    """Why RecomputeHook is ours: MMEngine's checkpointing counts each batch twice in the statistics."""
    images = torch.randn(2, 3, 8, 8)
    plain = nn.Module()
    plain.block = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    plain.tail = nn.Conv2d(4, 2, 1)
    networks = [plain, copy.deepcopy(plain), copy.deepcopy(plain)]
    turn_on_activation_checkpointing(networks[1], "block")
    recompute_blocks(nn.ModuleList([networks[2].block]))  # its convolution and its normalisation
    for network in networks:
        network.tail(network.block(images.requires_grad_())).sum().backward()
    counts = [int(network.block[1].num_batches_tracked) for network in networks]
    assert counts == [1, 2, 1]
    means = [network.block[1].running_mean for network in networks]
    assert torch.equal(means[2], means[0])
    assert not torch.equal(means[1], means[0])


def kept_bytes(network: nn.Module, images: torch.Tensor) -> int:
    """Return the bytes that a forward pass keeps for the backward pass."""
    seen: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        maps = network(images)
    del maps
    return sum(seen.values())


@pytest.mark.parametrize("kind", ["LEDNet", "DABNet"])
def test_less_is_kept(kind):
    images = torch.randn(1, 3, 64, 128)
    plain = kept_bytes(backbone(kind), images)
    less = backbone(kind)
    recompute_blocks(less)
    assert kept_bytes(less, images) < 0.5 * plain
