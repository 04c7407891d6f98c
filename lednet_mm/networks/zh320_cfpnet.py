"""CFPNet: channel-wise feature pyramids for real-time semantic segmentation.

Paper: Lou and Loew, arXiv:2103.12212. The code reproduced here, with outputs proven equal, is a **third
party's re-implementation**, github.com/zh320/realtime-semantic-segmentation-pytorch (commit c77b1b6), not the
authors' code. With 19 classes it has 0.27 M parameters (the paper says 0.55 M).

The defaults here follow the re-implementation where it is unusual:

* The classifier is followed by a batch normalisation and a PReLU (``norm_act_logits=True``).
* Every PReLU has a single slope, not one per channel.
* It refuses heights and widths that are not multiples of 8. Here the copies of the image are resized to the
  map they are appended to, with the same result at every size that theirs accepts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import accumulate

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import Config, ConvNormAct, DownsampleUnit, Stages, resize_like
from lednet_mm.networks.heads import DecodeHead
from lednet_mm.networks.repositories import LAST_NORM, THIRD_PARTY, ZH320, ZH320_COMMIT

CARD = Card(
    name="zh320_cfpnet",
    title="CFPNet (re-implementation by zh320)",
    paper="arXiv:2103.12212",
    repository=ZH320,
    commit=ZH320_COMMIT,
    deviations=[
        THIRD_PARTY,
        LAST_NORM,
        "It has 0.27 M parameters; the paper says 0.55 M.",
        "Every PReLU has a single slope, not one per channel.",
    ],
    vectors={"zh320_cfpnet": Vector()},
)

BATCH_NORM = {"type": "BN"}
PRELU = {"type": "PReLU", "num_parameters": 1}


class FeaturePyramid(nn.Module):
    """FP channel: three factorised 3x3 convolutions in a row, their results concatenated.

    Shapes: (N, channels, H, W) -> (N, channels, H, W); the three results have a quarter, a quarter and a half
    of the channels.
    """

    def __init__(self, channels: int, dilation: int, *, norm_cfg: Config, act_cfg: Config) -> None:
        super().__init__()
        unit = partial(ConvNormAct, dilation=dilation, norm_cfg=norm_cfg, act_cfg=act_cfg)
        quarter, half = channels // 4, channels // 2
        self.levels = Stages(
            nn.Sequential(unit(inputs, outputs, (3, 1)), unit(outputs, outputs, (1, 3)))
            for inputs, outputs in ((channels, quarter), (quarter, quarter), (quarter, half))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the three results concatenated."""
        return torch.cat(self.levels(x), dim=1)


class ChannelwisePyramid(nn.Module):
    """CFP module: four feature pyramids of growing dilation, summed up hierarchically, with a residual.

    Args:
        channels: number of channels of input and output, a multiple of 16.
        dilation: dilation rate of the widest pyramid; the others have 1, a quarter and a half of it, rounded
            up.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(self, channels: int, dilation: int, *, norm_cfg: Config, act_cfg: Config) -> None:
        super().__init__()
        unit = partial(ConvNormAct, kernel_size=1, norm_cfg=norm_cfg, act_cfg=act_cfg)
        width = channels // 4
        self.reduce = unit(channels, width)
        self.pyramids = nn.ModuleList(
            FeaturePyramid(width, rate, norm_cfg=norm_cfg, act_cfg=act_cfg)
            for rate in (1, -(-dilation // 4), -(-dilation // 2), dilation)
        )
        self.fuse = unit(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        reduced = self.reduce(x)
        sums = accumulate(pyramid(reduced) for pyramid in self.pyramids)
        return x + self.fuse(torch.cat(list(sums), dim=1))


@MODELS.register_module()
class ZH320CFPNet(BaseModule):
    """The encoder of zh320's CFPNet.

    Args:
        in_channels: number of channels of the image.
        channels: numbers of channels that are made at 1/2, 1/4 and 1/8.
        dilations: dilation rates, one module for each, at 1/4 and at 1/8.
        append_image: whether a copy of the image is appended to the maps at 1/2, 1/4 and 1/8.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        align_corners: whether the resizing of the image aligns corners.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 35, H/2, W/2), (N, 67, H/4, W/4), (N, 131, H/8, W/8),
    each rounded up; without ``append_image`` each has three channels fewer.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (32, 64, 128),
        dilations: Sequence[Sequence[int]] = ((2, 2), (4, 4, 8, 8, 16, 16)),
        append_image: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = PRELU,
        align_corners: bool = True,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        self.append_image = append_image
        self.align_corners = align_corners
        unit = partial(ConvNormAct, kernel_size=3, norm_cfg=norm_cfg, act_cfg=act_cfg)
        block = partial(ChannelwisePyramid, norm_cfg=norm_cfg, act_cfg=act_cfg)
        down = partial(DownsampleUnit, norm_cfg=norm_cfg, act_cfg=act_cfg)
        wide, middle, deep = channels
        extra = in_channels if append_image else 0
        self.stages = nn.ModuleList(
            [
                nn.Sequential(unit(in_channels, wide, stride=2), unit(wide, wide), unit(wide, wide)),
                nn.Sequential(down(wide + extra, middle), *[block(middle, rate) for rate in dilations[0]]),
                nn.Sequential(down(middle + extra, deep), *[block(deep, rate) for rate in dilations[1]]),
            ]
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps at 1/2, 1/4 and 1/8."""
        image = x
        maps = []
        for stage in self.stages:
            x = stage(x)
            if self.append_image:
                x = torch.cat([x, resize_like(image, x, self.align_corners)], dim=1)
            maps.append(x)
        return tuple(maps)


@MODELS.register_module()
class ZH320CFPNetHead(DecodeHead):
    """The classifier of zh320's CFPNet: a 1x1 convolution with normalisation and activation.

    Args:
        in_channels: number of channels of the map.
        num_classes: number of classes, and so of channels of the logits.
        norm_act_logits: whether normalisation and activation follow the convolution.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.
        align_corners: whether the last resizing aligns corners.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: map (N, in_channels, h, w) of any size -> logits (N, num_classes, h, w).
    """

    def __init__(
        self,
        in_channels: int = 131,
        *,
        num_classes: int,
        norm_act_logits: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = PRELU,
        align_corners: bool = True,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        super().__init__(
            in_channels, in_channels, num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs
        )
        self.conv_seg = ConvNormAct(
            in_channels,
            num_classes,
            1,
            norm_cfg=norm_cfg if norm_act_logits else None,
            act_cfg=act_cfg if norm_act_logits else None,
        )

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at the resolution of the deepest map."""
        return self.cls_seg(self._transform_inputs(inputs))
