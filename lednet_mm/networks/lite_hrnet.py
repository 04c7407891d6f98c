"""Lite-HRNet: a lightweight high-resolution network.

Paper: Yu et al., CVPR 2021, arXiv:2104.06403. Authors' code: github.com/HRNet/Lite-HRNet. The code reproduced
here, with outputs proven equal, is a **third party's re-implementation** of Lite-HRNet-18,
github.com/zh320/realtime-semantic-segmentation-pytorch (commit c77b1b6), not the authors' code. With 19
classes it has 1.09 M parameters (the paper says 1.1 M).

The defaults here follow the re-implementation where it is unusual:

* The left half of the stem's shuffle block is a 1x1 convolution of stride 2, which reads a quarter of its
  pixels; ShuffleNet V2's block has a strided depth-wise convolution before it.
* The cross-resolution weights are computed once per module and shared by its two blocks.
* No activation follows the sums over resolutions.
* It accepts only heights and widths that are multiples of 32. Here every map is resized to the one it meets,
  with the same result at every size that theirs accepts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import (
    Config,
    ConvNormAct,
    DepthwiseSeparable,
    adaptive_average_pool,
    channel_shuffle,
    resize_like,
)
from lednet_mm.networks.heads import DecodeHead
from lednet_mm.networks.repositories import THIRD_PARTY, ZH320, ZH320_COMMIT

CARD = Card(
    name="lite_hrnet",
    title="Lite-HRNet-18 (re-implementation by zh320)",
    paper="arXiv:2104.06403",
    repository=ZH320,
    commit=ZH320_COMMIT,
    deviations=[
        THIRD_PARTY,
        "It has 1.09 M parameters; the paper says 1.1 M.",
        "The left half of the stem's shuffle block is a strided 1x1 convolution without a depth-wise one.",
        "The cross-resolution weights are computed once per module, not once per block.",
    ],
    vectors={"zh320_lite_hrnet": Vector()},
)

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}


class DownsampleShuffleBlock(nn.Module):
    """ShuffleNet V2's unit of stride 2, on the halves of the channels.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, ceil(H/2), ceil(W/2)).
    """

    def __init__(self, in_channels: int, out_channels: int, *, norm_cfg: Config, act_cfg: Config) -> None:
        super().__init__()
        unit = partial(ConvNormAct, norm_cfg=norm_cfg, act_cfg=act_cfg)
        half = out_channels // 2
        self.left = unit(in_channels // 2, half, 1, stride=2)
        self.right = nn.Sequential(
            unit(in_channels // 2, half, 1), unit(half, half, 3, stride=2, groups=half), unit(half, half, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the map at half resolution."""
        left, right = x.chunk(2, dim=1)
        return channel_shuffle(torch.cat([self.left(left), self.right(right)], dim=1), 2)


class ChannelWeights(nn.Sequential):
    """Weights in (0, 1) from all channels of the same pixel, through a bottleneck of an eighth of them.

    Shapes: (N, channels, h, w) -> (N, channels, h, w).
    """

    def __init__(self, channels: int, *, norm_cfg: Config, act_cfg: Config) -> None:
        super().__init__()
        self.squeeze = ConvNormAct(channels, channels // 8, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.expand = ConvNormAct(channels // 8, channels, 1, norm_cfg=norm_cfg, act_cfg={"type": "Sigmoid"})


class ConditionalWeightingBlock(nn.Module):
    """The paper's conditional channel weighting: a shuffle block without its 1x1 convolutions.

    One half of the channels passes unchanged; the other is weighted by the cross-resolution weights,
    convolved depth-wise, and weighted again by values computed from its own means.

    Shapes: map (N, channels, H, W), weights (N, channels/2, any, any) or None -> (N, channels, H, W).
    """

    def __init__(self, channels: int, *, spatial_weights: bool, norm_cfg: Config, act_cfg: Config) -> None:
        super().__init__()
        half = channels // 2
        self.depth = ConvNormAct(half, half, 3, groups=half, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.spatial = ChannelWeights(half, norm_cfg=norm_cfg, act_cfg=act_cfg) if spatial_weights else None

    def forward(self, x: Tensor, weights: Tensor | None) -> Tensor:
        """Return the block's output, of the map's shape."""
        left, right = x.chunk(2, dim=1)
        if weights is not None:
            right = right * F.interpolate(weights, size=right.shape[2:], mode="nearest")
        right = self.depth(right)
        if self.spatial is not None:
            right = right * self.spatial(right.mean(dim=(2, 3), keepdim=True))
        return channel_shuffle(torch.cat([left, right], dim=1), 2)


class WeightingBlocks(nn.ModuleList):
    """The two blocks at one resolution, both with the same cross-resolution weights."""

    def forward(self, x: Tensor, weights: Tensor | None) -> Tensor:
        """Return the second block's output: (N, C, H, W) -> (N, C, H, W)."""
        for block in self:
            x = block(x, weights)
        return x


class SumOver(nn.ModuleList):
    """Bring the maps of all resolutions to one of them and add them up.

    ``target`` is the index of that resolution; the number of maps stands for the next coarser one.

    Shapes: a list of (N, channels[i], H/2^i, W/2^i) -> (N, out_channels, H/2^target, W/2^target).
    """

    def __init__(
        self,
        target: int,
        channels: Sequence[int],
        out_channels: int,
        *,
        align_corners: bool,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        self.target = target
        self.align_corners = align_corners
        downsample = partial(
            DepthwiseSeparable, stride=2, point_bias=True, norm_cfg=norm_cfg, act_cfg=act_cfg
        )
        for source, width in enumerate(channels):
            if source < target:
                widths = [width] * (target - source) + [out_channels]
                self.append(nn.Sequential(*[downsample(a, b) for a, b in pairwise(widths)]))
            elif source == target:
                self.append(nn.Identity())
            else:
                self.append(ConvNormAct(width, out_channels, 1, norm_cfg=norm_cfg, act_cfg=act_cfg))

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return the sum."""
        total, *terms = [path(x) for path, x in zip(self, maps, strict=True)]
        for source, term in enumerate(terms, 1):
            coarser = source > self.target
            total = total + (resize_like(term, total, self.align_corners) if coarser else term)
        return total


class HighResolutionModule(nn.Module):
    """Two weighting blocks at every resolution, then an exchange between all resolutions.

    If ``out_channels`` has one entry more than ``channels``, the module also makes the next coarser map.

    Shapes: a list of (N, channels[i], H/2^i, W/2^i) -> a list of (N, out_channels[i], H/2^i, W/2^i).
    """

    def __init__(
        self,
        channels: Sequence[int],
        out_channels: Sequence[int],
        *,
        cross_resolution_weights: bool,
        spatial_weights: bool,
        align_corners: bool,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        self.halves = [width // 2 for width in channels]
        self.cross = (
            ChannelWeights(sum(self.halves), norm_cfg=norm_cfg, act_cfg=act_cfg)
            if cross_resolution_weights
            else None
        )
        block = partial(
            ConditionalWeightingBlock, spatial_weights=spatial_weights, norm_cfg=norm_cfg, act_cfg=act_cfg
        )
        self.blocks = nn.ModuleList(WeightingBlocks([block(width), block(width)]) for width in channels)
        self.sums = nn.ModuleList(
            SumOver(target, channels, width, align_corners=align_corners, norm_cfg=norm_cfg, act_cfg=act_cfg)
            for target, width in enumerate(out_channels)
        )

    def cross_weights(self, maps: Sequence[Tensor]) -> Sequence[Tensor | None]:
        """Return the weights of every map's second half, at the coarsest resolution."""
        if self.cross is None:
            return [None] * len(maps)
        *finer, coarsest = (x.chunk(2, dim=1)[1] for x in maps)
        height, width = coarsest.shape[2:]
        pooled = [adaptive_average_pool(x, (height, width)) for x in finer]
        return self.cross(torch.cat([*pooled, coarsest], dim=1)).split(self.halves, dim=1)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Return the exchanged maps."""
        weights = self.cross_weights(maps)
        maps = [blocks(x, w) for blocks, x, w in zip(self.blocks, maps, weights, strict=True)]
        return [total(maps) for total in self.sums]


@MODELS.register_module()
class LiteHRNet(BaseModule):
    """Lite-HRNet-18; ``modules=(3, 8, 3)`` is Lite-HRNet-30.

    Args:
        in_channels: number of channels of the image.
        stem_channels: number of channels at 1/2.
        channels: numbers of channels at 1/4, 1/8, 1/16 and 1/32.
        modules: number of modules over two, three and four resolutions.
        cross_resolution_weights: whether channels are weighted by values computed from all resolutions
            together.
        spatial_weights: whether each block also weighs its channels by their own means.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        align_corners: whether every bilinear resizing aligns the corners of the two maps.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 40, H/4, W/4), (N, 80, H/8, W/8),
    (N, 160, H/16, W/16), (N, 320, H/32, W/32), each rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        stem_channels: int = 32,
        channels: Sequence[int] = (40, 80, 160, 320),
        modules: Sequence[int] = (2, 4, 2),
        cross_resolution_weights: bool = True,
        spatial_weights: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = True,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        module = partial(
            HighResolutionModule,
            cross_resolution_weights=cross_resolution_weights,
            spatial_weights=spatial_weights,
            align_corners=align_corners,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
        )
        self.stem = nn.Sequential(
            ConvNormAct(in_channels, stem_channels, 3, stride=2, norm_cfg=norm_cfg, act_cfg=act_cfg),
            DownsampleShuffleBlock(stem_channels, channels[0], norm_cfg=norm_cfg, act_cfg=act_cfg),
        )
        self.down = DepthwiseSeparable(
            channels[0], channels[1], stride=2, point_bias=True, norm_cfg=norm_cfg, act_cfg=act_cfg
        )

        def stage(resolutions: int, number: int) -> nn.Sequential:
            same, next_too = channels[:resolutions], channels[: resolutions + 1]
            return nn.Sequential(*[module(same, same) for _ in range(number - 1)], module(same, next_too))

        self.stages = nn.Sequential(*[stage(i, number) for i, number in enumerate(modules, 2)])

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps of all resolutions, the finest first."""
        x = self.stem(x)
        return tuple(self.stages([x, self.down(x)]))


@MODELS.register_module()
class LiteHRNetHead(DecodeHead):
    """Resize all maps to the finest and join them; then a depth-wise separable convolution and a classifier.

    Args:
        in_channels: numbers of channels of the maps.
        num_classes: number of classes, and so of channels of the logits.
        channels: number of channels before the classifier.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        align_corners: whether every bilinear resizing aligns the corners of the two maps.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, in_channels[i], any, any), the first h x w -> logits (N, num_classes, h, w).
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (40, 80, 160, 320),
        *,
        num_classes: int,
        channels: int = 128,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = True,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        super().__init__(
            in_channels, channels, num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs
        )
        self.fuse = DepthwiseSeparable(
            sum(in_channels), channels, point_bias=True, norm_cfg=norm_cfg, act_cfg=act_cfg
        )
        self.conv_seg = nn.Conv2d(channels, num_classes, 1, bias=False)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at 1/4 of the image."""
        maps = self._transform_inputs(inputs)
        joined = torch.cat([resize_like(x, maps[0], self.align_corners) for x in maps], dim=1)
        return self.cls_seg(self.fuse(joined))
