"""RegSeg: rethinking dilated convolution for real-time semantic segmentation.

Paper: Gao, arXiv:2111.09957. Authors' code: github.com/RolandGao/RegSeg (model.py, blocks.py, commit
0f61c66). With 19 classes RegSeg (exp48_decoder26) has 3.33 M parameters, and the larger version of the
repository (exp53_decoder29) has 6.13 M.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import Config, ConvNormAct, Stages, make_activation, make_norm, resize_like
from lednet_mm.networks.heads import DecodeHead

PAPER = "arXiv:2111.09957"
REPOSITORY = "github.com/RolandGao/RegSeg"
COMMIT = "0f61c66"

CARDS = [
    Card(
        name="regseg",
        title="RegSeg",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        vectors={"regseg": Vector()},
        published=["RegSeg"],
    ),
    Card(
        name="regseg_large",
        title="RegSeg, larger version",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        deviations=["It is in the repository (exp53_decoder29), not in the paper."],
        vectors={"regseg_large": Vector()},
    ),
]

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}
DILATIONS = ((1,), (1, 2), *((1, 4),) * 4, *((1, 14),) * 7)
"""Dilation rates of the blocks at 1/16 after the first one."""


class SplitConv(nn.Module):
    """A grouped 3x3 convolution, or several of different dilation, each of an equal part of the channels.

    Args:
        channels: number of channels of input and output.
        dilations: dilation rates, one for each part.
        stride: stride of the convolutions.
        group_width: number of channels in a group.

    Shapes: (N, channels, H, W) -> (N, channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, channels: int, dilations: Sequence[int], stride: int, group_width: int) -> None:
        super().__init__()
        width = channels // len(dilations)
        self.convs = nn.ModuleList(
            nn.Conv2d(width, width, 3, stride, rate, rate, groups=width // group_width, bias=False)
            for rate in dilations
        )

    def forward(self, x: Tensor) -> Tensor:
        if len(self.convs) == 1:
            return self.convs[0](x)
        parts = x.chunk(len(self.convs), dim=1)
        return torch.cat([conv(part) for conv, part in zip(self.convs, parts, strict=True)], dim=1)


class DilatedBlock(nn.Module):
    """The paper's D block: a RegNetY block whose 3x3 convolution is split over several dilations.

    Args:
        in_channels: number of channels of the input.
        out_channels: number of channels of the output.
        dilations: dilation rates of the 3x3 convolutions, over which the channels are split evenly.
        stride: stride of the 3x3 convolutions, 1 or 2.
        group_width: number of channels in a group of the 3x3 convolutions.
        squeeze_excitation: whether channels are weighted before the last 1x1 convolution.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        dilations: Sequence[int] = (1,),
        *,
        stride: int = 1,
        group_width: int,
        squeeze_excitation: bool,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        self.conv1 = ConvNormAct(in_channels, out_channels, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.conv2 = SplitConv(out_channels, dilations, stride, group_width)
        self.norm2 = make_norm(norm_cfg, out_channels)
        self.act2 = make_activation(act_cfg, out_channels)
        self.weigh: nn.Module | None = None
        if squeeze_excitation:
            width = in_channels // 4
            self.weigh = nn.Sequential(
                nn.AdaptiveAvgPool2d(1),
                nn.Conv2d(out_channels, width, 1),
                make_activation(act_cfg, width),
                nn.Conv2d(width, out_channels, 1),
                nn.Sigmoid(),
            )
        self.conv3 = ConvNormAct(out_channels, out_channels, 1, norm_cfg=norm_cfg)
        self.shortcut = nn.Sequential()
        if stride > 1:
            self.shortcut.add_module("pool", nn.AvgPool2d(stride, ceil_mode=True))
        if stride > 1 or in_channels != out_channels:
            self.shortcut.add_module("project", ConvNormAct(in_channels, out_channels, 1, norm_cfg=norm_cfg))
        self.act = make_activation(act_cfg, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.act2(self.norm2(self.conv2(self.conv1(x))))
        if self.weigh is not None:
            y = y * self.weigh(y)
        return self.act(self.conv3(y) + self.shortcut(x))


@MODELS.register_module()
class RegSeg(BaseModule):
    """RegSeg's encoder.

    Args:
        in_channels: number of channels of the image.
        channels: numbers of channels of the stem at 1/2, of the stages at 1/4, 1/8 and 1/16, and of the last
            block.
        blocks: numbers of blocks at 1/4 and at 1/8.
        dilations: dilation rates of each block at 1/16 after the first one. All (1,) removes the dilation.
        group_width: number of channels in a group of the 3x3 convolutions.
        squeeze_excitation: whether the blocks weight their channels.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 48, H/4, W/4), (N, 128, H/8, W/8) and
    (N, 320, H/16, W/16), each rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (32, 48, 128, 256, 320),
        blocks: Sequence[int] = (1, 3),
        dilations: Sequence[Sequence[int]] = DILATIONS,
        group_width: int = 16,
        squeeze_excitation: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        block = partial(
            DilatedBlock,
            group_width=group_width,
            squeeze_excitation=squeeze_excitation,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
        )
        stem, low, middle, high, last = channels
        self.stem = ConvNormAct(in_channels, stem, 3, stride=2, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.stages = Stages(
            [
                nn.Sequential(block(stem, low, stride=2), *(block(low, low) for _ in range(blocks[0] - 1))),
                nn.Sequential(
                    block(low, middle, stride=2), *(block(middle, middle) for _ in range(blocks[1] - 1))
                ),
                nn.Sequential(
                    block(middle, high, stride=2),
                    *(block(high, high, rates) for rates in dilations[:-1]),
                    block(high, last, dilations[-1]),
                ),
            ]
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps at 1/4, 1/8 and 1/16."""
        return self.stages(self.stem(x))


@MODELS.register_module()
class RegSegHead(DecodeHead):
    """RegSeg's decoder: the deepest map is added to the one at 1/8, and the result joined to the one at 1/4.

    Args:
        in_channels: numbers of channels of the maps at 1/4, 1/8 and 1/16.
        num_classes: number of classes, and so of channels of the logits.
        sum_channels: number of channels of the sum at 1/8.
        detail_channels: number of channels of the projected map at 1/4.
        middle_channels: number of channels of the smoothed sum.
        channels: number of channels of the map that is classified.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        align_corners: whether every bilinear resizing aligns the corners of the two maps.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, 48, h, w), (N, 128, h/2, w/2) and (N, 320, h/4, w/4) -> (N, num_classes, h, w).
    """

    plain_classifier = True

    def __init__(
        self,
        in_channels: Sequence[int] = (48, 128, 320),
        *,
        num_classes: int,
        sum_channels: int = 128,
        detail_channels: int = 8,
        middle_channels: int = 64,
        channels: int = 64,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = False,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        super().__init__(
            in_channels, channels, num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs
        )
        unit = partial(ConvNormAct, norm_cfg=norm_cfg, act_cfg=act_cfg)
        low, middle, deep = in_channels
        self.project_deep = unit(deep, sum_channels, 1)
        self.project_middle = unit(middle, sum_channels, 1)
        self.project_low = unit(low, detail_channels, 1)
        self.fuse_middle = unit(sum_channels, middle_channels, 3)
        self.fuse_low = unit(middle_channels + detail_channels, channels, 3)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at 1/4 of the image."""
        low, middle, deep = self._transform_inputs(inputs)
        middle = self.project_middle(middle)
        x = self.fuse_middle(middle + resize_like(self.project_deep(deep), middle, self.align_corners))
        low = self.project_low(low)
        return self.cls_seg(self.fuse_low(torch.cat([resize_like(x, low, self.align_corners), low], dim=1)))
