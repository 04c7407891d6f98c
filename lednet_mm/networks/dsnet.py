"""DSNet: a dilated branch and a detail branch, both at 1/8, fused by attention of several scales.

Paper: Guo et al., arXiv:2406.03702. Authors' code: github.com/takaniwa/DSNet (models/dsnet.py and
model_utils.py, commit b3c4dab). With 19 classes DSNet has 6.94 M parameters and DSNet-Base 38.2 M, each with
the two heads that only training uses.

The authors' code accepts only heights and widths that are multiples of 8. Here every map is resized to the
one that it meets, with the same result at every size that theirs accepts.
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
    BasicBlock,
    Bottleneck,
    Config,
    ConvNormAct,
    Stages,
    adaptive_average_pool,
    basic_blocks,
    make_activation,
    resize_like,
)
from lednet_mm.networks.ddrnet import double_stem
from lednet_mm.networks.heads import DecodeHead

PAPER = "arXiv:2406.03702"
REPOSITORY = "github.com/takaniwa/DSNet"
COMMIT = "b3c4dab"

CARDS = [
    Card(
        name="dsnet",
        title="DSNet",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        vectors={"dsnet": Vector()},
        published=["DSNet"],
    ),
    Card(
        name="dsnet_base",
        title="DSNet-Base",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        vectors={"dsnet_base": Vector()},
        published=["DSNet-Base"],
    ),
]

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}


class DilatedFusion(nn.Module):
    """MFACB: three dilated 3x3 convolutions in a row whose results are joined, with a 1x1 shortcut.

    Args:
        in_channels: number of channels of the input.
        width: number of channels of each 3x3 convolution.
        out_channels: number of channels of the output.
        dilation: dilation rate of the 3x3 convolutions.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, H, W).
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        out_channels: int,
        dilation: int,
        *,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        unit = partial(ConvNormAct, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.row = Stages(unit(width if i else in_channels, width, 3, dilation=dilation) for i in range(3))
        self.shortcut = unit(in_channels, out_channels, 1)
        self.join = unit(3 * width, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.join(torch.cat(self.row(x), dim=1)) + self.shortcut(x)


class ScaleAttention(nn.Module):
    """MSAF: mix two maps by weights from their sum at each pixel and from its averages over grids.

    Args:
        channels: number of channels of both maps, a multiple of ``reduction``.
        bins: numbers of bins per side of the grids; 1 is the average of the whole map.
        reduction: factor by which the weights' bottlenecks narrow.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: two maps (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(
        self,
        channels: int,
        bins: Sequence[int] = (4, 8, 16, 1),
        reduction: int = 4,
        *,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        self.bins = tuple(bins)
        unit = partial(ConvNormAct, kernel_size=1, bias=True, norm_cfg=norm_cfg)

        def bottleneck() -> nn.Module:
            width = channels // reduction
            return nn.Sequential(unit(channels, width, act_cfg=act_cfg), unit(width, channels))

        self.local = bottleneck()
        self.pooled = nn.ModuleList(bottleneck() for _ in bins)

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        both = x + other
        score = self.local(both)
        for count, weigh in zip(self.bins, self.pooled, strict=True):
            weights = weigh(adaptive_average_pool(both, (count, count)))
            # A single bin is spread by the sum itself.
            score = score + (weights if count == 1 else F.interpolate(weights, size=both.shape[2:]))
        weight = score.sigmoid()
        return 2 * x * weight + 2 * other * (1 - weight)


@MODELS.register_module()
class DSNetEncoder(BaseModule):
    """DSNet's two branches.

    Args:
        in_channels: number of channels of the image.
        channels: number of channels at 1/4; the maps at 1/8 have 2, 4 and 8 times as many.
        blocks: number of residual blocks of the detail branch in each of its first two stages.
        dilations: dilation rates of the other branch, one for each block of its first two stages and one for
            the last.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, channels, H/4, W/4), and three maps
    (N, 4 * channels, H/8, W/8), one after each fusion, each rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: int = 32,
        blocks: int = 2,
        dilations: tuple[Sequence[int], Sequence[int], int] = ((2, 2, 3), (3, 5), 5),
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        options: dict = {"norm_cfg": norm_cfg, "act_cfg": act_cfg}
        rows = partial(basic_blocks, last_act_cfg=None, norm_cfg=norm_cfg, act_cfg=act_cfg)
        bottleneck = partial(Bottleneck, last_act_cfg=None, norm_cfg=norm_cfg, act_cfg=act_cfg)
        c1, c2, c4, c8 = (channels * factor for factor in (1, 2, 4, 8))

        def dilated(inputs: int, outputs: int, rates: Sequence[int]) -> nn.Module:
            return nn.Sequential(
                *(
                    DilatedFusion(
                        outputs if i else inputs, outputs if i else inputs, outputs, rate, **options
                    )
                    for i, rate in enumerate(rates)
                )
            )

        self.act = make_activation(act_cfg, c1)
        self.stem = nn.Sequential(double_stem(in_channels, c1, **options), rows(c1, c1, 2))
        self.fine = BasicBlock(c1, c1, **options)
        self.shrink = rows(c1, c2, 2, 2)
        self.detail = nn.ModuleList([rows(c2, c4, blocks), rows(c4, c4, blocks), bottleneck(c4, c2, c4)])
        first, second, last = dilations
        self.context = nn.ModuleList(
            [dilated(c2, c4, first), dilated(c4, c8, second), bottleneck(c8, c4, c8, dilation=last)]
        )
        self.compressions = nn.ModuleList(
            ConvNormAct(width, c4, 1, norm_cfg=norm_cfg) for width in (c4, c8, c8)
        )
        self.fusions = nn.ModuleList(ScaleAttention(c4, **options) for _ in range(3))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the map at 1/4 and the fused maps."""
        stem = self.stem(x)
        maps = [self.fine(stem)]
        detail = context = self.act(self.shrink(self.act(stem)))
        for i, (own, other) in enumerate(zip(self.detail, self.context, strict=True)):
            detail, context = own(self.act(detail)), other(context)
            if i == 2:
                context = self.act(context)
            detail = self.fusions[i](detail, self.compressions[i](context))
            maps.append(detail)
        return tuple(maps)


class SerialPyramid(nn.Module):
    """SPASPP: dilated convolutions one after the other, whose results are joined with the map's global means.

    Args:
        channels: number of channels of input and output.
        dilations: dilation rates of the convolutions.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(self, channels: int, dilations: Sequence[int], *, norm_cfg: Config, act_cfg: Config) -> None:
        super().__init__()
        unit = partial(ConvNormAct, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.row = Stages(unit(channels, channels, 3, dilation=rate) for rate in dilations)
        self.pool = unit(channels, channels, 1)
        self.shortcut = unit(channels, channels, 1)
        self.join = unit((len(dilations) + 1) * channels, channels, 1)
        self.smooth = unit(channels, channels, 3, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        pooled = resize_like(self.pool(F.adaptive_avg_pool2d(x, 1)), x, align_corners=False)
        return self.smooth(self.join(torch.cat([*self.row(x), pooled], dim=1)) + self.shortcut(x))


@MODELS.register_module()
class DSNetHead(DecodeHead):
    """DSNet's decoder: a serial pyramid of dilated convolutions, and a classifier of it and the map at 1/4.

    Args:
        in_channels: numbers of channels of the map at 1/4 and of the fused map at 1/8.
        num_classes: number of classes, and so of channels of the logits.
        dilations: dilation rates of the pyramid.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.
        align_corners: whether every bilinear resizing aligns the corners of the two maps.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, C, H/4, W/4) and (N, D, H/8, W/8) -> logits (N, num_classes, H/4, W/4).
    """

    plain_classifier = True

    def __init__(
        self,
        in_channels: Sequence[int] = (32, 128),
        *,
        num_classes: int,
        dilations: Sequence[int] = (6, 12, 18, 24),
        in_index: Sequence[int] = (0, 3),
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = False,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        fine, channels = in_channels
        super().__init__(
            in_channels,
            channels,
            num_classes,
            norm_cfg,
            act_cfg,
            align_corners,
            init_cfg,
            in_index,
            **kwargs,
        )
        self.act = make_activation(act_cfg, channels)
        self.pyramid = SerialPyramid(channels, dilations, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.lateral = ConvNormAct(channels, channels, 3, norm_cfg=norm_cfg)
        self.fuse = ConvNormAct(channels + fine, channels, 3, norm_cfg=norm_cfg, act_cfg=act_cfg)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at 1/4 of the image."""
        fine, deep = self._transform_inputs(inputs)
        x = self.lateral(self.pyramid(self.act(deep)))
        x = torch.cat([resize_like(x, fine, self.align_corners), fine], dim=1)
        return self.cls_seg(self.fuse(self.act(x)))
