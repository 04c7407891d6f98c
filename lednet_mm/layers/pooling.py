"""Average pooling: pyramids of shrinking images, and averages over grids of bins."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.layers.resizing import resize_like


class ImagePyramid(nn.Module):
    """Shrink an image to 1/2, 1/4, 1/8 ... of its size, each by 3x3 average pooling of the one before.

    The padding's zeros are included in the averages.

    Args:
        levels: number of pyramid levels.

    Shapes: (N, C, H, W) -> [(N, C, H/2, W/2), (N, C, H/4, W/4), ...], each rounded up.
    """

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.levels = levels
        self.pool = nn.AvgPool2d(3, stride=2, padding=1)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the shrunken images, the largest first."""
        images = []
        for _ in range(self.levels):
            image = self.pool(image)
            images.append(image)
        return images


def _bin_averages(length: int, bins: int) -> Tensor:
    """Return adaptive average pooling of one axis as a matrix of shape (bins, length)."""
    k = torch.arange(bins)[:, None]
    position = torch.arange(length)
    inside = (position >= k * length // bins) & (position < ((k + 1) * length + bins - 1) // bins)
    return inside / inside.sum(dim=1, keepdim=True)


def adaptive_average_pool(x: Tensor, size: tuple[int | None, int | None]) -> Tensor:
    """Average ``x`` over a grid of ``size`` bins: (N, C, H, W) -> (N, C, *size).

    ONNX has no adaptive pooling, so a trace records matrix products instead, which work for maps of any size.

    Args:
        x: map (N, C, H, W).
        size: numbers of bins along height and width; None keeps that axis as it is.
    """
    if not torch.onnx.is_in_onnx_export():
        return F.adaptive_avg_pool2d(x, size)
    height, width = size
    if height is not None:
        x = _bin_averages(x.shape[2], height).to(x) @ x
    if width is not None:
        x = x @ _bin_averages(x.shape[3], width).to(x).transpose(0, 1)
    return x


def pyramid_pool(
    x: Tensor, bins: Iterable[int], branches: Iterable[nn.Module], align_corners: bool
) -> list[Tensor]:
    """Average a map over grids, pass each average through its branch and resize it to the map's size.

    Args:
        x: map (N, C, H, W).
        bins: number of bins per side, for each grid.
        branches: modules that the averages pass, one per grid: (N, C, bins, bins) -> (N, D, bins, bins).
        align_corners: whether the bilinear resizing aligns corners.

    Returns:
        One map (N, D, H, W) per grid.
    """
    return [
        resize_like(branch(adaptive_average_pool(x, (count, count))), x, align_corners)
        for branch, count in zip(branches, bins, strict=True)
    ]
