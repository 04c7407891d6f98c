"""CIFReNet: MobileNetV2 with a long-range refinement and cascaded multi-scale context.

Paper: Jiang et al., IEEE Transactions on Image Processing 2020, arXiv:1907.11474. Authors' code:
github.com/WxTu/CIFReNet (model/CIFReNet.py, Backbone.py and Layers.py, commit 8543bde). With 19 classes it
has 1.950 M parameters and 16.63 G multiply-adds at 512x1024; the paper says "less than 1.9 M" and 7.1 G.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import (
    Config,
    ConvNormAct,
    InvertedResidual,
    channel_shuffle,
    make_activation,
    make_norm,
    resize_like,
)
from lednet_mm.networks.heads import DecodeHead

CARD = Card(
    name="cifrenet",
    title="CIFReNet",
    paper="arXiv:1907.11474",
    repository="github.com/WxTu/CIFReNet",
    commit="8543bde",
    deviations=[
        'It has 1.950 M parameters and 16.63 G multiply-adds; the paper says "less than 1.9 M" and 7.1 G.',
    ],
    vectors={"cifrenet": Vector()},
    published=["CIFReNet"],
)

BATCH_NORM = {"type": "BN"}
RELU6 = {"type": "ReLU6"}
PRELU = {"type": "PReLU"}
LEAKY = {"type": "LeakyReLU", "negative_slope": 0.1}

STAGES = (
    (1, 16, 1, 1, 1),
    (6, 24, 2, 2, 1),
    (6, 32, 3, 2, 1),
    (6, 64, 4, 1, 2),
    (6, 96, 3, 1, 3),
    (6, 160, 3, 1, 5),
    (6, 320, 1, 1, 7),
)
"""Expansion, width, number of blocks, stride of the first one and dilation rate of each stage."""

FINE, DEEP = 2, 5
"""The stages between whose ends the refinement goes."""


class LongRefinement(nn.Module):
    """Add a fine map to a deep one of the same size, weighted by what the deep map contains.

    Args:
        in_channels: number of channels of the fine map.
        out_channels: number of channels of the deep map.
        reduction: factor by which the attention's bottleneck narrows.
        attention: whether the fine map's channels are weighted.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's config of the activations of the fine map.

    Shapes: fine (N, in_channels, H, W), deep (N, out_channels, H, W) -> (N, out_channels, H, W).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        reduction: int = 16,
        *,
        attention: bool,
        norm_cfg: Config,
        act_cfg: Config = PRELU,
    ) -> None:
        super().__init__()
        unit = partial(ConvNormAct, bias=True, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.refine = nn.Sequential(
            unit(in_channels, in_channels, 3, groups=in_channels), unit(in_channels, out_channels, 1)
        )
        self.weigh = None
        if attention:
            width = out_channels // reduction
            self.weigh = nn.Sequential(
                nn.Linear(out_channels, width), nn.ReLU(), nn.Linear(width, out_channels), nn.Sigmoid()
            )

    def forward(self, fine: Tensor, deep: Tensor) -> Tensor:
        """Return the refined deep map."""
        refined = self.refine(fine)
        if self.weigh is not None:
            means = F.adaptive_avg_pool2d(deep, 1).flatten(1)
            refined = self.weigh(means)[:, :, None, None] * refined
        return refined + deep


@MODELS.register_module()
class CIFReNet(BaseModule):
    """CIFReNet's encoder: MobileNetV2 without its last downsamplings, and the long-range refinement.

    Args:
        in_channels: number of channels of the image.
        stem_channels: number of channels of the first convolution.
        stages: expansion, width, number of blocks, stride of the first block and dilation rate of each stage.
        refinement: whether the map of the third stage is added to that of the sixth.
        attention: whether that map's channels are weighted.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 16, H/2, W/2), (N, 24, H/4, W/4), (N, 32, H/8, W/8) and
    (N, 320, H/8, W/8), each rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        stem_channels: int = 32,
        stages: Sequence[Sequence[int]] = STAGES,
        refinement: bool = True,
        attention: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU6,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        options: dict = {"norm_cfg": norm_cfg, "act_cfg": act_cfg}
        self.stem = ConvNormAct(in_channels, stem_channels, 3, stride=2, **options)
        self.stages = nn.ModuleList()
        width = stem_channels
        for expansion, outputs, count, stride, dilation in stages:
            blocks: list[nn.Module] = []
            for i in range(count):
                step = 1 if i else stride
                blocks.append(
                    InvertedResidual(width, outputs, expansion, stride=step, dilation=dilation, **options)
                )
                width = outputs
            self.stages.append(nn.Sequential(*blocks))
        self.refinement = None
        if refinement:
            fine, deep = stages[FINE][1], stages[DEEP][1]
            self.refinement = LongRefinement(fine, deep, attention=attention, norm_cfg=norm_cfg)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps at 1/2, 1/4 and 1/8 that precede a smaller one, and the deepest map."""
        x = self.stem(x)
        maps = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            maps.append(x)
            if i == DEEP and self.refinement is not None:
                x = self.refinement(maps[FINE], x)
        return (*maps[: FINE + 1], x)


class PooledContext(nn.Sequential):
    """The global means of a map through a 1x1 convolution, spread over the map again.

    Args:
        in_channels: number of channels of the input.
        out_channels: number of channels of the output.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config; None leaves it out.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, H, W).
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, norm_cfg: Config, act_cfg: Config = None
    ) -> None:
        super().__init__()
        self.unit = ConvNormAct(in_channels, out_channels, 1, bias=True, norm_cfg=norm_cfg, act_cfg=act_cfg)

    def forward(self, x: Tensor) -> Tensor:
        return resize_like(self.unit(F.adaptive_avg_pool2d(x, 1)), x, align_corners=False)


class DenseSeparablePyramid(nn.Module):
    """DSP module: dilated separable convolutions and the global means side by side, with a residual.

    Args:
        channels: number of channels of input and output.
        dilations: dilation rates of the branches.
        groups: number of groups of the first convolution and of the shuffle.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(
        self,
        channels: int,
        dilations: Sequence[int],
        *,
        groups: int = 4,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        width = channels // (len(dilations) + 1)
        self.groups = groups
        self.reduce = ConvNormAct(channels, width, 1, groups=groups, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.pool = PooledContext(width, width, norm_cfg=norm_cfg)
        self.branches = nn.ModuleList(
            nn.Sequential(
                ConvNormAct(width, width, 3, dilation=rate, groups=width, norm_cfg=norm_cfg, act_cfg=act_cfg),
                ConvNormAct(width, width, 1, norm_cfg=norm_cfg),
            )
            for rate in dilations
        )
        self.act = make_activation(act_cfg, channels)

    def forward(self, x: Tensor) -> Tensor:
        reduced = self.reduce(x)
        y = torch.cat([*(branch(reduced) for branch in self.branches), self.pool(reduced)], dim=1)
        return self.act(x + channel_shuffle(y, self.groups))


@MODELS.register_module()
class CIFReNetHead(DecodeHead):
    """CIFReNet's multi-scale context, a cascade of pyramids whose results are summed, and its classifier.

    Args:
        in_channels: number of channels of the map.
        num_classes: number of classes, and so of channels of the logits.
        channels: number of channels of the map that is classified.
        pooled_channels: number of channels of the global context beside the cascade's.
        dilations: dilation rates of each pyramid of the cascade.
        groups: number of groups of the convolution after the context and of its shuffle.
        dropout: probability of zeroing a value before the classifier.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's config of the pyramids' activations.
        align_corners: whether the last resizing aligns corners.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: map (N, 320, h, w) of any size -> logits (N, num_classes, h, w).
    """

    plain_classifier = True

    def __init__(
        self,
        in_channels: int = 320,
        *,
        num_classes: int,
        channels: int = 256,
        pooled_channels: int = 80,
        dilations: Sequence[Sequence[int]] = ((1, 2, 3, 5), (7, 9, 11, 13), (17, 19, 21, 23)),
        groups: int = 16,
        dropout: float = 0.2,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = PRELU,
        align_corners: bool = False,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        super().__init__(
            in_channels, channels, num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs
        )
        self.groups = groups
        self.cascade = nn.ModuleList(
            DenseSeparablePyramid(in_channels, rates, norm_cfg=norm_cfg, act_cfg=act_cfg)
            for rates in dilations
        )
        self.pool = PooledContext(in_channels, pooled_channels, norm_cfg=norm_cfg, act_cfg=LEAKY)
        self.fuse = nn.Conv2d(in_channels + pooled_channels, channels, 1, groups=groups)
        self.norm = make_norm(norm_cfg, channels)
        self.act = make_activation(LEAKY, channels)
        self.drop = nn.Dropout(dropout)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at the resolution of the map."""
        x = self._transform_inputs(inputs)
        y, results = x, []
        for pyramid in self.cascade:
            y = pyramid(y)
            results.append(y)
        context = torch.cat([torch.stack(results).sum(dim=0), self.pool(x)], dim=1)
        shuffled = channel_shuffle(self.fuse(context), self.groups)
        return self.cls_seg(self.drop(self.act(self.norm(shuffled))))
