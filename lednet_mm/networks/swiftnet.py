"""SwiftNet: a light decoder of lateral connections after a pretrained ResNet-18, for one scale or a pyramid.

Papers: Oršić et al., CVPR 2019, arXiv:1903.08469, and Oršić and Šegvić, Pattern Recognition 2021. Authors'
code: github.com/orsic/swiftnet (models/semseg.py, models/resnet and models/util.py, commit 2b88990). With 19
classes the network of one scale has 11.8 M parameters, and that of a pyramid 12.1 M.

The authors' network normalises the image itself; here the data preprocessor does.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import (
    Config,
    ConvNormAct,
    NormActConv,
    adaptive_average_pool,
    make_activation,
    make_norm,
    match_size,
    resize_like,
)
from lednet_mm.networks.heads import DecodeHead

PAPER = "arXiv:1903.08469"
REPOSITORY = "github.com/orsic/swiftnet"
COMMIT = "2b88990"

CARDS = [
    Card(
        name="swiftnet_rn18",
        title="SwiftNet with ResNet-18",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        vectors={"swiftnet_rn18": Vector()},
        published=["SwiftNet (ResNet-18)"],
    ),
    Card(
        name="swiftnet_rn18_pyramid",
        title="SwiftNet with ResNet-18, pyramid",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        vectors={"swiftnet_rn18_pyramid": Vector()},
    ),
]

BATCH_NORM = {"type": "BN"}
POOLED_NORM = {"type": "BN", "momentum": 0.005}
RELU = {"type": "ReLU"}


class GridPyramid(nn.Module):
    """Spatial pyramid pooling over grids whose bins are about square.

    Args:
        in_channels: number of channels of the input.
        channels: number of channels of the reduced map and of the output.
        bins: numbers of bins along the height, one grid for each.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, in_channels, H, W) -> (N, channels, H, W).
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        bins: Sequence[int] = (8, 4, 2),
        *,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        self.bins = tuple(bins)
        unit = partial(NormActConv, kernel_size=1, norm_cfg=norm_cfg, act_cfg=act_cfg)
        width = channels // len(bins)
        self.reduce = unit(in_channels, channels)
        self.branches = nn.ModuleList(unit(channels, width) for _ in bins)
        self.join = unit(channels + len(bins) * width, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.reduce(x)
        maps = [x]
        for count, branch in zip(self.bins, self.branches, strict=True):
            pooled = adaptive_average_pool(x, (count, self._columns(count, x)))
            maps.append(resize_like(branch(pooled), x, align_corners=False))
        return self.join(torch.cat(maps, dim=1))

    @staticmethod
    def _columns(rows: int, x: Tensor) -> int:
        """Return how many columns of bins a grid of that many rows has."""
        height, width = x.shape[2:]
        if torch.onnx.is_in_onnx_export():  # sizes are tensors there
            ratio = rows * torch.as_tensor(width) / torch.as_tensor(height)
            return ratio.round().clamp(min=1).long()  # type: ignore[return-value]
        return max(1, round(rows * int(width) / int(height)))


class LateralStep(nn.Module):
    """Enlarge a deep map to a finer one's size, add that one's projection, and smooth the sum.

    Args:
        in_channels: number of channels of the finer map.
        channels: number of channels of the deep map and of the output.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: deep (N, channels, h, w), fine (N, in_channels, H, W) -> (N, channels, H, W).
    """

    def __init__(self, in_channels: int, channels: int, *, norm_cfg: Config, act_cfg: Config) -> None:
        super().__init__()
        self.project = NormActConv(in_channels, channels, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.blend = NormActConv(channels, channels, 3, norm_cfg=norm_cfg, act_cfg=act_cfg)

    def forward(self, deep: Tensor, fine: Tensor) -> Tensor:
        return self.blend(resize_like(deep, fine, align_corners=False) + self.project(fine))


@MODELS.register_module()
class SwiftNetHead(DecodeHead):
    """SwiftNet's decoder: pyramid pooling of the deepest map, three lateral steps and the classifier.

    Args:
        in_channels: numbers of channels of the maps at 1/4, 1/8, 1/16 and 1/32.
        num_classes: number of classes, and so of channels of the logits.
        channels: number of channels of the decoder's maps.
        bins: numbers of bins along the height of the grids of the pooling.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        pooled_norm_cfg: mmcv's config of the normalisations of the pooling.
        act_cfg: mmcv's activation config.
        align_corners: whether the logits' resizing aligns corners.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, C, h, w), (N, D, h/2, w/2) ... -> logits (N, num_classes, h, w).
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (64, 128, 256, 512),
        *,
        num_classes: int,
        channels: int = 128,
        bins: Sequence[int] = (8, 4, 2),
        norm_cfg: Config = BATCH_NORM,
        pooled_norm_cfg: Config = POOLED_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = False,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        super().__init__(
            in_channels, channels, num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs
        )
        *fine, deep = in_channels
        self.context = GridPyramid(deep, channels, bins, norm_cfg=pooled_norm_cfg, act_cfg=act_cfg)
        self.steps = nn.ModuleList(
            LateralStep(width, channels, norm_cfg=norm_cfg, act_cfg=act_cfg) for width in fine[::-1]
        )
        self.conv_seg = NormActConv(channels, num_classes, 1, bias=True, norm_cfg=norm_cfg, act_cfg=act_cfg)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at 1/4 of the image."""
        *fine, deep = self._transform_inputs(inputs)
        x = self.context(deep)
        for step, skip in zip(self.steps, reversed(fine), strict=True):
            x = step(x, skip)
        return self.cls_seg(x)


class LevelBlock(nn.Module):
    """ResNet's basic block with own normalisations for each level of a pyramid; the shortcut's is shared.

    Args:
        in_channels: number of channels of the input map.
        out_channels: number of channels of the output map.
        stride: stride of the first convolution.
        levels: number of levels.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, in_channels, H, W) -> the sum before and after the activation, each
    (N, out_channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        levels: int,
        *,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.norm1 = nn.ModuleList(make_norm(norm_cfg, out_channels) for _ in range(levels))
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.norm2 = nn.ModuleList(make_norm(norm_cfg, out_channels) for _ in range(levels))
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or in_channels != out_channels:
            self.shortcut = ConvNormAct(in_channels, out_channels, 1, stride=stride, norm_cfg=norm_cfg)
        self.act = make_activation(act_cfg, out_channels)

    def forward(self, x: Tensor, level: int) -> tuple[Tensor, Tensor]:
        y = self.act(self.norm1[level](self.conv1(x)))
        total = self.shortcut(x) + self.norm2[level](self.conv2(y))
        return total, self.act(total)


@MODELS.register_module()
class PyramidSwiftNet(BaseModule):
    """SwiftNet's encoder for a pyramid of images: one ResNet-18 for all, whose maps are summed by scale.

    Args:
        in_channels: number of channels of the image.
        channels: numbers of channels of the ResNet's stages.
        levels: number of images, each half as large as the one before.
        map_channels: number of channels of the projected maps.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> sums (N, map_channels, H/4, W/4), the same at 1/8 and so on, one
    fewer than stages and levels together.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (64, 128, 256, 512),
        levels: int = 3,
        map_channels: int = 128,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        options: dict = {"norm_cfg": norm_cfg, "act_cfg": act_cfg}
        self.levels = levels
        self.conv = nn.Conv2d(in_channels, channels[0], 7, 2, 3, bias=False)
        self.norms = nn.ModuleList(make_norm(norm_cfg, channels[0]) for _ in range(levels))
        self.act = make_activation(act_cfg, channels[0])
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.stages = nn.ModuleList()
        width = channels[0]
        for i, outputs in enumerate(channels):
            first = LevelBlock(width, outputs, 2 if i else 1, levels, **options)
            second = LevelBlock(outputs, outputs, 1, levels, **options)
            self.stages.append(nn.ModuleList([first, second]))
            width = outputs
        self.projections = nn.ModuleList(nn.Conv2d(c, map_channels, 1, bias=False) for c in channels)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the sums of the projected maps, the largest first."""
        sums: list[Tensor | None] = [None] * (len(self.stages) + self.levels - 1)
        for level in range(self.levels):
            image = x
            if level:
                image = F.interpolate(x, scale_factor=1 / 2**level, mode="bicubic", align_corners=False)
            y = self.pool(self.act(self.norms[level](self.conv(image))))
            for i, project in enumerate(self.projections):
                stage: Any = self.stages[i]
                place = level + i
                total, y = stage[1](stage[0](y, level)[1], level)
                skip = project(total)
                own = sums[place]
                sums[place] = skip if own is None else own + match_size(skip, own, align_corners=False)
        return tuple(total for total in sums if total is not None)


@MODELS.register_module()
class PyramidSwiftNetHead(DecodeHead):
    """The decoder of SwiftNet's pyramid: each sum is added to the enlarged coarser one and smoothed.

    Args:
        in_channels: number of channels of each map, the same for all.
        num_classes: number of classes, and so of channels of the logits.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.
        align_corners: whether the logits' resizing aligns corners.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, C, h, w), (N, C, h/2, w/2) ... -> logits (N, num_classes, h, w).
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (128,) * 6,
        *,
        num_classes: int,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = False,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        channels = in_channels[0]
        super().__init__(
            in_channels, channels, num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs
        )
        self.blends = nn.ModuleList(
            NormActConv(channels, channels, 3, norm_cfg=norm_cfg, act_cfg=act_cfg) for _ in in_channels[1:]
        )
        self.conv_seg = NormActConv(channels, num_classes, 1, bias=True, norm_cfg=norm_cfg, act_cfg=act_cfg)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at 1/4 of the image."""
        *fine, x = self._transform_inputs(inputs)
        for blend, skip in zip(self.blends, reversed(fine), strict=True):
            x = blend(resize_like(x, skip, align_corners=False) + skip)
        return self.cls_seg(x)
