"""Size-independent replacements for layers whose trace would fix the input size."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmcv.cnn.bricks import Conv2dAdaptivePadding
from mmseg.models.utils import Upsample
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.layers import adaptive_average_pool


class Average(nn.Module):
    """``nn.AdaptiveAvgPool2d`` to more than one bin, from operators that ONNX has.

    Shapes: (N, C, H, W) -> (N, C, *size).
    """

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """Return the averages."""
        return adaptive_average_pool(x, self.size)


class Enlarged(nn.Module):
    """MMSegmentation's ``Upsample`` by an integer factor, which computes the new size from Python numbers.

    Shapes: (N, C, H, W) -> (N, C, factor * H, factor * W).
    """

    def __init__(self, upsample: Upsample) -> None:
        super().__init__()
        self.options = {"mode": upsample.mode, "align_corners": upsample.align_corners}
        self.factor = int(upsample.scale_factor)

    def forward(self, x: Tensor) -> Tensor:
        """Return the enlarged map."""
        size = (x.shape[2] * self.factor, x.shape[3] * self.factor)
        return F.interpolate(x, size=size, **self.options)


class SamePadded(nn.Module):
    """mmcv's ``Conv2dAdaptivePadding``, which computes its padding from Python numbers.

    Shapes: (N, C, H, W) -> (N, D, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, conv: Conv2dAdaptivePadding) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolved map."""
        conv = self.conv
        padding: list[Tensor] = []
        for axis in (1, 0):  # F.pad begins with the last axis
            length, stride = torch.as_tensor(x.shape[2 + axis]), conv.stride[axis]
            reach = conv.dilation[axis] * (conv.kernel_size[axis] - 1) + 1
            total = (((length + stride - 1) // stride - 1) * stride + reach - length).clamp(min=0)
            padding += [total // 2, total - total // 2]
        padded = F.pad(x, padding)  # type: ignore[arg-type]  # in a trace, sizes are tensors
        return F.conv2d(padded, conv.weight, conv.bias, conv.stride, 0, conv.dilation, conv.groups)


class Attention(nn.Module):
    """``nn.MultiheadAttention`` in evaluation mode, without masks, for sequences of any length.

    Shapes: queries (L, N, E), keys and values (S, N, E) -> (L, N, E).
    """

    def __init__(self, attention: nn.MultiheadAttention) -> None:
        super().__init__()
        self.attention = attention

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, None]:
        """Return the attended values, and None in the place of attention weights."""
        attention = self.attention
        weights = attention.in_proj_weight.chunk(3)
        bias = attention.in_proj_bias
        biases = (None, None, None) if bias is None else bias.chunk(3)

        def by_head(x: Tensor, weight: Tensor, shift: Tensor | None) -> Tensor:
            length, n, _ = x.shape
            heads = F.linear(x, weight, shift).reshape(length, n, attention.num_heads, attention.head_dim)
            return heads.permute(1, 2, 0, 3)

        q, k, v = map(by_head, (query, key, value), weights, biases)
        attended = F.scaled_dot_product_attention(q, k, v)  # (N, heads, L, E / heads)
        joined = attended.permute(2, 0, 1, 3).flatten(2)
        return attention.out_proj(joined), None


def _replacement(module: nn.Module) -> nn.Module | None:
    if type(module) is nn.AdaptiveAvgPool2d:
        size: Any = module.output_size
        height, width = size if isinstance(size, tuple) else (size, size)
        # One bin becomes ONNX's GlobalAveragePool; None keeps the size of the map.
        if height and width and (height, width) != (1, 1):
            return Average((height, width))
    if type(module) is Upsample and not module.size:
        factor: Any = module.scale_factor
        if isinstance(factor, float) and factor.is_integer():
            return Enlarged(module)
    if type(module) is Conv2dAdaptivePadding:
        return SamePadded(module)
    if type(module) is nn.MultiheadAttention and module.in_proj_weight is not None and not module.batch_first:
        return Attention(module)
    return None


@contextmanager
def any_size(network: nn.Module) -> Iterator[None]:
    """While this context is entered, a trace of a network in evaluation mode accepts any size if possible."""
    replaced = []
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if (equal := _replacement(child)) is not None:
                replaced.append((parent, name, child, equal))
    try:
        for parent, name, _, equal in replaced:
            setattr(parent, name, equal)
        yield
    finally:
        for parent, name, child, _ in replaced:
            setattr(parent, name, child)
