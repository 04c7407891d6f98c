"""Shared layers: what a trace keeps of them must hold for every size, not just the traced one."""

import pytest
import torch
from torch.nn import functional as F

from lednet_mm.layers import adaptive_average_pool, channel_shuffle, crop_like

SIZES = [(8, 12), (7, 5), (2, 3)]


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (4, 3), (6, 6)])
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
