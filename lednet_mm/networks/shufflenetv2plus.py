"""ShuffleNetV2Plus: a dilated ShuffleNet whose stages are all concatenated, with ASPP or receptive fields.

No paper; its units are those of ShuffleNet **v1** (arXiv:1707.01083), in spite of its name. Authors' code:
github.com/ansleliu/LightNet (commit 58353b2). With 19 classes it has 15.31 M parameters and 139.51 G
multiply-adds at 512x1024, and with the receptive-field block (RF-ShuffleNetV2Plus) 8.36 M and 85.55 G. The
head is :class:`lednet_mm.networks.lightnet.LightNetHead`, whose file lists the deviations of the whole
collection.

* The first convolution has neither normalisation nor activation; ShuffleNet's has both (``stem_norm_act``).
* Every convolution of the trunk has a bias before its normalisation (``bias``).
* The third and fourth stages keep the resolution, yet they shrink their shortcut and enlarge it again.
* The authors' code accepts only heights and widths that are multiples of 16. Here the shortcut is resized to
  the branch it is joined to, with the same result at every size that theirs accepts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import Config, ConvNormAct, Stages, channel_shuffle, make_activation, match_size
from lednet_mm.networks.lightnet import (
    BATCH_NORM,
    BORDER,
    COMMIT,
    LOST_NORMS,
    RELU,
    REPOSITORY,
    SpatialChannelExcitation,
)

PAPER = "none; ShuffleNet: arXiv:1707.01083"
UNITS = (
    "The units are those of ShuffleNet v1; the first convolution has neither normalisation nor activation."
)

CARDS = [
    Card(
        name="shufflenetv2plus",
        title="ShuffleNetV2Plus",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        deviations=[UNITS, BORDER],
        vectors={"shufflenetv2plus": Vector()},
        published=["LightNet ShuffleNetPlus"],
    ),
    Card(
        name="rfshufflenetv2plus",
        title="RF-ShuffleNetV2Plus",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        deviations=[UNITS, LOST_NORMS],
        vectors={"rfshufflenetv2plus": Vector()},
    ),
]


class ShuffleUnit(nn.Module):
    """ShuffleNet v1's unit: grouped 1x1, channel shuffle, depth-wise 3x3, grouped 1x1, beside a shortcut.

    Where the number of channels stays the same, the input is added to the branch; otherwise the pooled input
    is concatenated in front of it.

    Args:
        in_channels: number of channels of the input.
        out_channels: number of channels of the output, at least ``in_channels``; a quarter of it in the
            branch.
        stride: stride of the depth-wise convolution; more than 1 only where the channels change.
        dilation: dilation rate of the depth-wise convolution.
        groups: number of groups of the 1x1 convolutions and the shuffle.
        group_first: whether the first 1x1 convolution is grouped too.
        shuffle: whether to use the channel shuffle.
        bias: whether the convolutions have a bias.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config; None leaves it out.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int,
        group_first: bool = True,
        shuffle: bool,
        bias: bool,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        unit = partial(ConvNormAct, bias=bias, norm_cfg=norm_cfg)
        width = out_channels // 4
        self.groups = groups
        self.shuffle = shuffle
        self.pool = None if in_channels == out_channels else nn.AvgPool2d(3, stride=2, padding=1)
        self.compress = unit(in_channels, width, 1, groups=groups if group_first else 1, act_cfg=act_cfg)
        self.depth = unit(width, width, 3, stride=stride, dilation=dilation, groups=width)
        made = out_channels if self.pool is None else out_channels - in_channels
        self.expand = unit(width, made, 1, groups=groups)
        self.act = make_activation(act_cfg, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the unit's output."""
        y = self.compress(x)
        if self.shuffle:
            y = channel_shuffle(y, self.groups)
        y = self.expand(self.depth(y))
        if self.pool is None:
            return self.act(x + y)
        return self.act(torch.cat([match_size(self.pool(x), y, align_corners=False), y], dim=1))


@MODELS.register_module()
class ShuffleNetV2Plus(BaseModule):
    """ShuffleNet v1 without downsampling past 1/8, its three stages and pooled early maps concatenated.

    Args:
        in_channels: number of channels of the image.
        channels: numbers of channels of the first convolution and of the three stages.
        blocks: number of units of every stage.
        dilations: dilation rates of the three stages; the first unit of the first stage, which strides, has
            none.
        groups: number of groups of the 1x1 convolutions and the channel shuffle.
        shuffle: whether to use the channel shuffles.
        stem_norm_act: whether normalisation and activation follow the first convolution, as in ShuffleNet's
            paper.
        scse: whether channels and pixels of the concatenated stages are weighted.
        bias: whether the convolutions have a bias.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 48, H/4, W/4), (N, 1728, H/8, W/8), each rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (24, 240, 480, 960),
        blocks: Sequence[int] = (4, 8, 4),
        dilations: Sequence[int] = (2, 4, 8),
        groups: int = 3,
        shuffle: bool = True,
        stem_norm_act: bool = False,
        scse: bool = True,
        bias: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        unit = partial(
            ShuffleUnit, groups=groups, shuffle=shuffle, bias=bias, norm_cfg=norm_cfg, act_cfg=act_cfg
        )
        stem, *widths = channels
        self.stem = ConvNormAct(
            in_channels,
            stem,
            3,
            stride=2,
            bias=bias,
            norm_cfg=norm_cfg if stem_norm_act else None,
            act_cfg=act_cfg if stem_norm_act else None,
        )
        self.max_pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.average_pool = nn.AvgPool2d(3, stride=2, padding=1)
        self.stages = Stages()
        for i, (before, width) in enumerate(zip(channels, widths, strict=False)):
            if i == 0:
                first = unit(before, width, stride=2, group_first=False)
            else:
                first = unit(before, width, dilation=dilations[i])
            rest = [unit(width, width, dilation=dilations[i]) for _ in range(blocks[i] - 1)]
            self.stages.append(nn.Sequential(first, *rest))
        self.scse = SpatialChannelExcitation(sum(widths) + 2 * stem) if scse else nn.Identity()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps at 1/4 and 1/8."""
        half = self.stem(x)
        sharp, smooth = self.max_pool(half), self.average_pool(half)
        deep = [*self.stages(sharp), self.average_pool(smooth), self.max_pool(sharp)]
        return torch.cat([sharp, smooth], dim=1), self.scse(torch.cat(deep, dim=1))
