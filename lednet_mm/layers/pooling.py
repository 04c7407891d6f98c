"""Average pooling: pyramids of shrinking images, and averages over grids of bins."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.layers.building import Config
from lednet_mm.layers.convolutions import NormActConv
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


class ScalePyramid(nn.Module):
    """Context of four growing scales: the pyramid that DDRNet calls DAPPM and PIDNet PAPPM.

    The map is averaged over windows of 5, 9 and 17 pixels and over all pixels. Each average passes a 1x1
    convolution, is resized back and added to a finer one; the sums pass 3x3 convolutions and are joined.

    Args:
        in_channels: number of channels of the input map.
        width: number of channels of each scale.
        out_channels: number of channels of the output map.
        parallel: whether every scale is added to the unpooled one, and one grouped convolution processes all
            (PAPPM); False adds each scale to the one before it, one after the other (DAPPM).
        bias: whether the convolutions have a bias.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, H, W).
    """

    WINDOWS = ((5, 2), (9, 4), (17, 8))
    """Size and stride of the averages' windows."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        out_channels: int,
        *,
        parallel: bool,
        bias: bool = False,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        unit = partial(NormActConv, bias=bias, norm_cfg=norm_cfg, act_cfg=act_cfg)
        pools = [nn.AvgPool2d(size, stride, size // 2) for size, stride in self.WINDOWS]
        self.finest = unit(in_channels, width, 1)
        self.scales = nn.ModuleList(
            nn.Sequential(pool, unit(in_channels, width, 1)) for pool in [*pools, nn.AdaptiveAvgPool2d(1)]
        )
        count = len(self.scales)
        self.processes = nn.ModuleList()
        self.process: nn.Module | None = None
        if parallel:
            self.process = self.make_process(count * width, count, norm_cfg, act_cfg)
        else:
            self.processes.extend(unit(width, width, 3) for _ in self.scales)
        self.join = unit((count + 1) * width, out_channels, 1)
        self.shortcut = unit(in_channels, out_channels, 1)

    def make_process(self, channels: int, groups: int, norm_cfg: Config, act_cfg: Config) -> nn.Module:
        """Return the layers that process all scales at once; they have no bias."""
        return NormActConv(channels, channels, 3, groups=groups, norm_cfg=norm_cfg, act_cfg=act_cfg)

    def forward(self, x: Tensor) -> Tensor:
        """Return the map with its context."""
        finest = self.finest(x)
        scales = [resize_like(scale(x), x, align_corners=False) for scale in self.scales]
        if self.process is not None:
            results = [finest, self.process(torch.cat([scale + finest for scale in scales], dim=1))]
        else:
            results = [finest]
            for process, scale in zip(self.processes, scales, strict=True):
                results.append(process(scale + results[-1]))
        return self.join(torch.cat(results, dim=1)) + self.shortcut(x)


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
