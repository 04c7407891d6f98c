"""DFANet: deep feature aggregation for real-time semantic segmentation.

Paper: Li et al., arXiv:1904.02216. The code reproduced here, with outputs proven equal, is a **third party's
re-implementation**, github.com/zh320/realtime-semantic-segmentation-pytorch (commit c77b1b6), not the
authors' code. With 19 classes it has 3.05 M parameters (the paper says 7.8 M).

The defaults here follow the re-implementation where it is unusual:

* The fully connected attention pools with the maximum; in the paper it is the last layer of an ImageNet
  classifier, and these pool with the mean (``attention_pooling="mean"``).
* The attention's weights pass through a normalisation and a ReLU: they are not bounded, and the outputs grow
  to 1e18 without trained weights.
* It accepts only heights and widths that are multiples of 64. Here upsampled maps are resized to the map they
  meet, with the same result at every size that theirs accepts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import Config, ConvNormAct, DepthwiseSeparable, make_activation, resize_like
from lednet_mm.networks.heads import DecodeHead
from lednet_mm.networks.repositories import THIRD_PARTY, ZH320, ZH320_COMMIT

CARD = Card(
    name="dfanet",
    title="DFANet A (re-implementation by zh320)",
    paper="arXiv:1904.02216",
    repository=ZH320,
    commit=ZH320_COMMIT,
    deviations=[
        THIRD_PARTY,
        "It has 3.05 M parameters; the paper says 7.8 M.",
        "The fully connected attention pools with the maximum, not with the mean as classifiers do.",
    ],
    vectors={"zh320_dfanet": Vector()},
    published=["DFANet"],
)

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}


class XceptionBlock(nn.Module):
    """Two depth-wise separable 3x3 convolutions at a quarter of the width, and a third that widens.

    Args:
        in_channels: number of channels of the input.
        out_channels: number of channels of the output, a multiple of 4.
        stride: stride of the last 3x3 convolution; at 2 the input is added through a strided 1x1 convolution.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int = 1, *, norm_cfg: Config, act_cfg: Config
    ) -> None:
        super().__init__()
        width = out_channels // 4
        separable = partial(DepthwiseSeparable, point_bias=True, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.conv = nn.Sequential(
            separable(in_channels, width),
            separable(width, width),
            ConvNormAct(
                width, out_channels, 3, stride=stride, groups=width, norm_cfg=norm_cfg, act_cfg=act_cfg
            ),
            nn.Conv2d(out_channels, out_channels, 1, bias=False),
            make_activation(act_cfg, out_channels),
        )
        self.shortcut = (
            nn.Identity() if stride == 1 else nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        return self.conv(x) + self.shortcut(x)


class FullyConnectedAttention(nn.Module):
    """Weigh channels by what a wide linear layer computes from the maxima or means of all channels.

    Shapes: (N, channels, h, w) -> (N, channels, h, w).
    """

    def __init__(
        self,
        channels: int,
        width: int,
        pooling: Literal["max", "mean"],
        *,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        self.pool = F.adaptive_max_pool2d if pooling == "max" else F.adaptive_avg_pool2d
        self.linear = nn.Linear(channels, width)
        self.conv = ConvNormAct(width, channels, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)

    def forward(self, x: Tensor) -> Tensor:
        """Return the weighed map."""
        wide = self.linear(self.pool(x, 1).flatten(1))
        return x * self.conv(wide[:, :, None, None])


class Encoder(nn.Module):
    """One backbone of the cascade: three stages that halve the resolution, then the attention.

    Args:
        in_channels: number of channels of each stage's input, with those that join it from the encoder
            before.
        channels: numbers of channels of each stage's output.
        blocks: number of blocks of each stage.
        attention: function that builds the attention module for a number of channels.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: Sequence[int],
        blocks: Sequence[int],
        attention: nn.Module,
        *,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        block = partial(XceptionBlock, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.stages = nn.ModuleList(
            nn.Sequential(block(inputs, width, 2), *[block(width, width) for _ in range(count - 1)])
            for inputs, width, count in zip(in_channels, channels, blocks, strict=True)
        )
        self.attention = attention

    def forward(self, x: Tensor, before: Sequence[Tensor] = ()) -> tuple[list[Tensor], Tensor]:
        """Return the stages' maps, and the last of them after the attention.

        Args:
            x: the map that the encoder starts from.
            before: maps of the previous encoder's stages, each of which is joined to the input of a stage
                here.
        """
        maps = []
        for i, stage in enumerate(self.stages):
            x = stage(torch.cat([x, before[i]], dim=1) if before else x)
            maps.append(x)
        return maps, self.attention(x)


@MODELS.register_module()
class DFANet(BaseModule):
    """DFANet's cascade of encoders, each fed with the upsampled result of the one before (XceptionA).

    Args:
        in_channels: number of channels of the image.
        stem_channels: number of channels at 1/2.
        channels: numbers of channels of the three stages of every encoder.
        blocks: number of blocks of the three stages.
        encoders: number of encoders in the cascade.
        attention: whether every encoder ends in the fully connected attention.
        attention_width: number of features of the attention's linear layer.
        attention_pooling: pooling over all positions before the attention: "max" as re-implemented, or
            "mean".
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config; a PReLU has one slope per channel.
        align_corners: whether the resizing between encoders aligns corners.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> the encoders' first maps (N, 48, H/4, W/4), (N, 48, H/8, W/8),
    (N, 48, H/16, W/16), then their results (N, 192, H/16, W/16), (N, 192, H/32, W/32), (N, 192, H/64, W/64),
    each rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        stem_channels: int = 8,
        channels: Sequence[int] = (48, 96, 192),
        blocks: Sequence[int] = (4, 6, 4),
        encoders: int = 3,
        attention: bool = True,
        attention_width: int = 1000,
        attention_pooling: Literal["max", "mean"] = "max",
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = True,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        self.align_corners = align_corners
        low, middle, high = channels
        self.stem = ConvNormAct(in_channels, stem_channels, 3, stride=2, norm_cfg=norm_cfg, act_cfg=act_cfg)
        later = (high + low, low + middle, middle + high)
        self.encoders = nn.ModuleList(
            Encoder(
                later if i else (stem_channels, low, middle),
                channels,
                blocks,
                FullyConnectedAttention(
                    high, attention_width, attention_pooling, norm_cfg=norm_cfg, act_cfg=act_cfg
                )
                if attention
                else nn.Identity(),
                norm_cfg=norm_cfg,
                act_cfg=act_cfg,
            )
            for i in range(encoders)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the first maps of all encoders, then the results of all encoders."""
        x = self.stem(x)
        maps: list[Tensor] = []
        firsts, results = [], []
        for encoder in self.encoders:
            maps, x = encoder(x, maps)
            firsts.append(maps[0])
            results.append(x)
            x = resize_like(x, maps[0], self.align_corners)
        return (*firsts, *results)


@MODELS.register_module()
class DFANetHead(DecodeHead):
    """DFANet's decoder: logits from the sum of the encoders' first maps, plus logits from each result.

    Args:
        in_channels: number of channels of the encoders' first maps, then those of their results.
        num_classes: number of classes, and so of channels of the logits.
        channels: number of channels before the classifier of an encoder's result.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        align_corners: whether every bilinear resizing aligns the corners of the two maps.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps as :class:`DFANet` gives them, the first of (h, w) -> logits (N, num_classes, h, w).
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (48, 48, 48, 192, 192, 192),
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
        unit = partial(ConvNormAct, kernel_size=3, norm_cfg=norm_cfg, act_cfg=act_cfg)
        firsts, results = in_channels[: len(in_channels) // 2], in_channels[len(in_channels) // 2 :]
        self.lateral = nn.ModuleList(unit(width, firsts[0]) for width in firsts)
        self.conv_seg = nn.Conv2d(firsts[0], num_classes, 1, bias=False)
        self.context = nn.ModuleList(
            nn.Sequential(unit(width, channels), nn.Conv2d(channels, num_classes, 1, bias=False))
            for width in results
        )

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at the resolution of the first map."""
        maps = self._transform_inputs(inputs)
        firsts, results = maps[: len(self.lateral)], maps[len(self.lateral) :]
        resize = partial(resize_like, reference=firsts[0], align_corners=self.align_corners)
        detail = sum(resize(lateral(x)) for lateral, x in zip(self.lateral, firsts, strict=True))
        return self.cls_seg(detail) + sum(
            resize(context(x)) for context, x in zip(self.context, results, strict=True)
        )
