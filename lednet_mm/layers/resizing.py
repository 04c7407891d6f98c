"""Resize, crop or pad a map to the size of another map."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def resize_like(x: Tensor, reference: Tensor, align_corners: bool) -> Tensor:
    """Resize ``x`` bilinearly to the height and width of ``reference``."""
    return F.interpolate(x, size=reference.shape[2:], mode="bilinear", align_corners=align_corners)


def match_size(x: Tensor, reference: Tensor, align_corners: bool) -> Tensor:
    """Resize ``x`` bilinearly to the size of ``reference``, or return it unchanged if it has that size."""
    # A trace always resizes, so that the exported network works at any size; a plain run skips the copy.
    if torch.onnx.is_in_onnx_export() or x.shape[2:] != reference.shape[2:]:
        return resize_like(x, reference, align_corners)
    return x


def crop_like(x: Tensor, reference: Tensor) -> Tensor:
    """Cut off the rows at the bottom and columns at the right that ``reference`` does not have."""
    return x[:, :, : reference.shape[2], : reference.shape[3]]


def pad_like(x: Tensor, reference: Tensor) -> Tensor:
    """Pad ``x`` with zeros at the bottom and right to the size of ``reference``."""
    bottom = reference.shape[2] - x.shape[2]
    right = reference.shape[3] - x.shape[3]
    # A trace always pads, so that the exported network works at any size; a plain run skips the copy.
    return F.pad(x, (0, right, 0, bottom)) if torch.onnx.is_in_onnx_export() or bottom or right else x


def unpool(x: Tensor, indices: Tensor, size: Sequence[int]) -> Tensor:
    """Undo max pooling: put every value where the pooling found it, and zeros elsewhere.

    It equals ``F.max_unpool2d`` where the pooling windows do not overlap, and can be exported to ONNX.

    Args:
        x: map (N, C, h, w).
        indices: indices that ``F.max_pool2d`` returned, of the shape of ``x``.
        size: height and width of the map that was pooled.

    Returns:
        (N, C, *size).
    """
    n, channels = x.shape[:2]
    zeros = x.new_zeros(n, channels, size[0] * size[1])
    return zeros.scatter(2, indices.flatten(2), x.flatten(2)).reshape(n, channels, size[0], size[1])
