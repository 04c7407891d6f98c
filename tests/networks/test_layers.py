"""Shared layers: a trace must be right for every size, not only for the traced one."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lednet_mm.layers import (
    Stages,
    adaptive_average_pool,
    channel_shuffle,
    crop_like,
    pyramid_pool,
    square_conv,
)

SIZES = [(8, 12), (7, 5), (2, 3)]


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (4, 3), (6, 6), (None, 1), (2, None)])
def test_a_traced_adaptive_pooling_is_pytorchs_at_every_size(size):
    traced = torch.jit.trace(
        lambda x: adaptive_average_pool(x, size), torch.randn(1, 2, 9, 10), check_trace=False
    )
    for height, width in SIZES:
        x = torch.randn(2, 3, height, width)
        assert torch.equal(adaptive_average_pool(x, size), F.adaptive_avg_pool2d(x, size))
        assert torch.allclose(traced(x), F.adaptive_avg_pool2d(x, size), atol=1e-6)


def test_a_traced_channel_shuffle_takes_every_size():
    traced = torch.jit.trace(lambda x: channel_shuffle(x, 2), torch.randn(1, 6, 9, 10))
    for height, width in SIZES:
        x = torch.randn(2, 6, height, width)
        assert torch.equal(traced(x), x[:, [0, 3, 1, 4, 2, 5]])


def test_cropping_cuts_bottom_and_right():
    x = torch.randn(1, 2, 6, 8)
    assert torch.equal(crop_like(x, torch.empty(1, 5, 5, 7)), x[:, :, :5, :7])
    assert torch.equal(crop_like(x, x), x)


def test_stages_return_every_map_and_are_named_as_a_list():
    stages = Stages([nn.Conv2d(3, 4, 1), nn.MaxPool2d(2), nn.Conv2d(4, 5, 1)])
    x = torch.randn(2, 3, 6, 8)
    first, second, third = stages(x)
    assert torch.equal(first, stages[0](x))
    assert torch.equal(third, stages[2](F.max_pool2d(first, 2)))
    assert second.shape == (2, 4, 3, 4)
    assert list(stages.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]


def test_pyramid_pooling_averages_each_grid_and_passes_it_through_its_branch():
    x = torch.randn(2, 3, 6, 8)
    branches = [nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1)]
    coarse, fine = pyramid_pool(x, (1, 2), branches, align_corners=False)
    assert torch.allclose(coarse, branches[0](x.mean((2, 3), keepdim=True)).expand_as(coarse), atol=1e-6)
    expected = F.interpolate(branches[1](F.avg_pool2d(x, (3, 4))), (6, 8), mode="bilinear")
    assert torch.allclose(fine, expected, atol=1e-6)
    with pytest.raises(ValueError, match="zip"):
        pyramid_pool(x, (1, 2, 3), branches, align_corners=False)


@pytest.mark.parametrize("dilation", [1, 3])
@torch.no_grad()
def test_a_square_convolution_of_rank_one_is_the_product_of_its_factors(dilation):
    whole = square_conv(1, 5, dilation, factorized=False, act_cfg=None)
    factors = square_conv(1, 5, dilation, factorized=True, act_cfg=None)
    factors.vertical.bias.zero_()
    whole.weight.copy_(factors.vertical.weight @ factors.horizontal.weight)
    whole.bias.copy_(factors.horizontal.bias)
    x = torch.randn(2, 1, 17, 23)
    assert whole(x).shape == x.shape
    assert torch.allclose(whole(x), factors(x), atol=1e-6)
