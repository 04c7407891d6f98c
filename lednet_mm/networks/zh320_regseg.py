"""RegSeg: rethinking dilated convolution for real-time semantic segmentation.

Paper: Gao, arXiv:2111.09957. Authors' code: github.com/RolandGao/RegSeg. The code reproduced here, with
outputs proven equal, is a **third party's re-implementation**,
github.com/zh320/realtime-semantic-segmentation-pytorch (commit c77b1b6), not the authors' code. With 19
classes it has 3.37 M parameters (the paper says 3.34 M).

The re-implementation differs from the paper, and the defaults here follow the re-implementation:

* The last block has stride 2, so that the deepest map is at 1/32 and the last pair of dilations (5, 14) is
  never used. In the paper it has stride 1 (``last_stride=1``) and the deepest map is at 1/16.
* It accepts only heights and widths that are multiples of 32. Here the pooling of a shortcut rounds up as the
  convolution beside it does, and every map is resized to the one it meets, with the same result at every size
  that theirs accepts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import Config, ConvNormAct, SqueezeExcitation, Stages, make_activation, resize_like
from lednet_mm.networks.heads import DecodeHead
from lednet_mm.networks.repositories import THIRD_PARTY, ZH320, ZH320_COMMIT

CARD = Card(
    name="zh320_regseg",
    title="RegSeg (re-implementation by zh320)",
    paper="arXiv:2111.09957",
    repository=ZH320,
    commit=ZH320_COMMIT,
    deviations=[
        THIRD_PARTY,
        "It has 3.37 M parameters; the paper says 3.34 M.",
        "The last block has stride 2 and no dilation, so that the deepest map is at 1/32; in the paper "
        "it has stride 1 and the dilations (5, 14).",
    ],
    vectors={"zh320_regseg": Vector()},
)

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}


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
        width = out_channels // len(dilations)
        self.conv1 = ConvNormAct(in_channels, out_channels, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.branches = nn.ModuleList(
            ConvNormAct(
                width,
                width,
                3,
                stride=stride,
                dilation=dilation,
                groups=width // group_width,
                norm_cfg=norm_cfg,
                act_cfg=act_cfg,
            )
            for dilation in dilations
        )
        self.se = SqueezeExcitation(out_channels, 4, act_cfg) if squeeze_excitation else nn.Identity()
        self.conv2 = ConvNormAct(out_channels, out_channels, 1, norm_cfg=norm_cfg)
        self.shortcut = nn.Sequential()
        if stride > 1:
            self.shortcut.add_module("pool", nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False))
        if stride > 1 or in_channels != out_channels:
            self.shortcut.add_module("project", ConvNormAct(in_channels, out_channels, 1, norm_cfg=norm_cfg))
        self.act = make_activation(act_cfg, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.conv1(x).chunk(len(self.branches), dim=1)
        y = torch.cat([branch(part) for branch, part in zip(self.branches, parts, strict=True)], dim=1)
        return self.act(self.conv2(self.se(y)) + self.shortcut(x))


@MODELS.register_module()
class ZH320RegSeg(BaseModule):
    """RegSeg's encoder.

    Args:
        in_channels: number of channels of the image.
        channels: numbers of channels of the stem at 1/2, of the stages at 1/4, 1/8 and 1/16, and of the last
            block.
        dilations: pairs of dilation rates, one for each block after the first at 1/16, then one for the last
            block. All (1, 1) removes the dilation.
        last_stride: stride of the last block. With 2, as in the re-implementation, the block is not dilated;
            with 1, as in the paper, it has the last pair of ``dilations``.
        group_width: number of channels in a group of the 3x3 convolutions.
        squeeze_excitation: whether the blocks weight their channels.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 48, H/4, W/4), (N, 128, H/8, W/8) and
    (N, 320, H/32, W/32), or (N, 320, H/16, W/16) with ``last_stride=1``, each rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (32, 48, 128, 256, 320),
        dilations: Sequence[Sequence[int]] = (
            *((1, 1), (1, 2), (1, 2), (1, 3), (2, 3), (2, 7), (2, 3), (2, 6), (2, 5)),
            *((2, 9), (2, 11), (4, 7), (5, 14)),
        ),
        last_stride: int = 2,
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
                nn.Sequential(block(stem, low, stride=2)),
                nn.Sequential(
                    block(low, middle, stride=2), *[block(middle, middle, (1, 1)) for _ in range(2)]
                ),
                nn.Sequential(
                    block(middle, high, stride=2),
                    *[block(high, high, pair) for pair in dilations[:-1]],
                    block(high, last, dilations[-1])
                    if last_stride == 1
                    else block(high, last, stride=last_stride),
                ),
            ]
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps at 1/4, 1/8 and the deepest one."""
        return self.stages(self.stem(x))


@MODELS.register_module()
class ZH320RegSegHead(DecodeHead):
    """RegSeg's decoder: the deepest map is added to the one at 1/8, and the result joined to the one at 1/4.

    Args:
        in_channels: numbers of channels of the maps at 1/4, at 1/8 and of the deepest one.
        num_classes: number of classes, and so of channels of the logits.
        channels: number of channels of the sum at 1/8; a convolution halves it before the join with the map
            at 1/4.
        detail_channels: number of channels of the projected map at 1/4.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        align_corners: whether every bilinear resizing aligns the corners of the two maps.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, 48, h, w), (N, 128, h/2, w/2) and a smaller one (N, 320, ...) -> (N, num_classes, h, w).
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (48, 128, 320),
        *,
        num_classes: int,
        channels: int = 128,
        detail_channels: int = 8,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = True,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        super().__init__(
            in_channels, channels, num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs
        )
        unit = partial(ConvNormAct, norm_cfg=norm_cfg, act_cfg=act_cfg)
        low, middle, deep = in_channels
        self.project_deep = unit(deep, channels, 1)
        self.project_middle = unit(middle, channels, 1)
        self.project_low = unit(low, detail_channels, 1)
        self.fuse_middle = unit(channels, channels // 2, 3)
        self.fuse_low = unit(channels // 2 + detail_channels, channels // 2, 3)
        self.classifier = nn.Conv2d(channels // 2, num_classes, 1, bias=False)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at 1/4 of the image."""
        low, middle, deep = self._transform_inputs(inputs)
        middle = self.project_middle(middle)
        x = self.fuse_middle(middle + resize_like(self.project_deep(deep), middle, self.align_corners))
        low = self.project_low(low)
        x = self.fuse_low(torch.cat([low, resize_like(x, low, self.align_corners)], dim=1))
        return self.classifier(x)
