"""AGLNet: real-time semantic segmentation with an attention-guided lightweight network.

Paper: Zhou et al., "AGLNet: towards real-time semantic segmentation of self-driving images via
attention-guided lightweight network", Applied Soft Computing 2020. The code reproduced here, with outputs
proven equal, is a **third party's re-implementation**,
github.com/zh320/realtime-semantic-segmentation-pytorch (commit c77b1b6), not the authors' code. With 19
classes it has 1.02 M parameters (the paper says 1.12 M).

The defaults here follow the re-implementation where it is unusual:

* Every branch of a block ends in a ReLU before the residual sum; LEDNet's blocks, from which they come, have
  none there. There is no dropout.
* The upsampling module multiplies the map that passed both attentions by the one that passed the first
  (``g * m + h``). Without trained weights the outputs grow to 1e22 in evaluation mode.
* It refuses sizes whose map at 1/2 or 1/4 has an odd height or width. Here upsampled maps are cropped to the
  map they meet, with the same result at every size that theirs accepts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import (
    Config,
    ConvNormAct,
    DownsampleUnit,
    Stages,
    TransposedConvNormAct,
    channel_shuffle,
    crop_like,
    make_activation,
    pyramid_attention,
)
from lednet_mm.networks.heads import DecodeHead
from lednet_mm.networks.repositories import THIRD_PARTY, ZH320, ZH320_COMMIT

CARD = Card(
    name="aglnet",
    title="AGLNet (re-implementation by zh320)",
    paper="Applied Soft Computing 96, 2020",
    repository=ZH320,
    commit=ZH320_COMMIT,
    deviations=[
        THIRD_PARTY,
        "It has 1.02 M parameters; the paper says 1.12 M.",
        "Every branch of a block ends in a ReLU before the residual sum.",
    ],
    vectors={"zh320_aglnet": Vector()},
    published=["AGLNet"],
)

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}


class FactorizedBranch(nn.Sequential):
    """Two 3x3 convolutions, the second dilated, each factorised into a 3x1 and a 1x3 convolution.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(
        self, channels: int, dilation: int, *, vertical_first: bool, norm_cfg: Config, act_cfg: Config
    ) -> None:
        first, second = ((3, 1), (1, 3)) if vertical_first else ((1, 3), (3, 1))
        unit = partial(ConvNormAct, channels, channels, act_cfg=act_cfg)
        super().__init__(
            unit(first, bias=True),
            unit(second, norm_cfg=norm_cfg),
            unit(first, dilation=dilation, bias=True),
            unit(second, dilation=dilation, norm_cfg=norm_cfg),
        )


class SplitShuffleBlock(nn.Module):
    """Split-shuffle non-bottleneck: two half-width branches, a residual sum, a channel shuffle.

    Args:
        channels: number of channels of input and output, even.
        dilation: dilation rate of the second half of each branch.
        shuffle: whether to use the channel shuffle.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(
        self, channels: int, dilation: int = 1, *, shuffle: bool, norm_cfg: Config, act_cfg: Config
    ) -> None:
        super().__init__()
        branch = partial(FactorizedBranch, channels // 2, dilation, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.left = branch(vertical_first=True)
        self.right = branch(vertical_first=False)
        self.act = make_activation(act_cfg, channels)
        self.shuffle = shuffle

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, of the input's shape."""
        left, right = x.chunk(2, dim=1)
        y = self.act(x + torch.cat([self.left(left), self.right(right)], dim=1))
        return channel_shuffle(y, 2) if self.shuffle else y


@MODELS.register_module()
class AGLNet(BaseModule):
    """AGLNet's encoder, which is LEDNet's with another downsampling unit.

    Args:
        in_channels: number of channels of the image.
        channels: numbers of channels at 1/2, 1/4 and 1/8 of the input.
        blocks: number of blocks at 1/2 and 1/4.
        dilations: dilation rates, one block at 1/8 for each; all 1 removes the dilation.
        shuffle: whether a channel shuffle follows every block.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config; a PReLU has one slope per channel.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 32, H/2, W/2), (N, 64, H/4, W/4), (N, 128, H/8, W/8),
    each rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (32, 64, 128),
        blocks: Sequence[int] = (3, 2),
        dilations: Sequence[int] = (1, 2, 5, 9, 2, 5, 9, 17),
        shuffle: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        unit = {"norm_cfg": norm_cfg, "act_cfg": act_cfg}
        self.stages = Stages(
            nn.Sequential(
                DownsampleUnit(inputs, width, **unit),
                *[SplitShuffleBlock(width, rate, shuffle=shuffle, **unit) for rate in rates],
            )
            for inputs, width, rates in zip(
                (in_channels, *channels[:-1]),
                channels,
                ([1] * blocks[0], [1] * blocks[1], dilations),
                strict=True,
            )
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps at 1/2, 1/4 and 1/8."""
        return self.stages(x)


class FactorizedAttentionPyramid(nn.Module):
    """FAPM: weigh the map by a pyramid of strided factorised convolutions and add its global average.

    The pyramid has one channel; a 1x1 convolution widens it.

    Shapes: (N, channels, h, w) of any size -> (N, channels, h, w).
    """

    def __init__(self, channels: int, *, align_corners: bool, norm_cfg: Config, act_cfg: Config) -> None:
        super().__init__()
        self.align_corners = align_corners
        unit = partial(ConvNormAct, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.down1, self.down2, self.down3 = (
            unit(inputs, 1, (1, kernel), stride=2) for inputs, kernel in ((channels, 7), (1, 5), (1, 3))
        )
        self.lateral1, self.lateral2, self.lateral3 = (unit(1, 1, (kernel, 1)) for kernel in (7, 5, 3))
        self.widen = nn.Conv2d(1, channels, 1, bias=False)
        self.pooled = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the weighed map."""
        attention = self.widen(pyramid_attention(self, x, self.align_corners))
        return x * attention + self.pooled(x.mean(dim=(2, 3), keepdim=True))


class AttentionUpsample(nn.Module):
    """GAUM: upsample the deeper map and weigh its positions by the finer map and its channels by itself.

    Shapes: finer (N, low_channels, h, w), deeper (N, high_channels, h/2, w/2) -> (N, low_channels, h, w).
    """

    def __init__(
        self, low_channels: int, high_channels: int, *, attention: bool, norm_cfg: Config, act_cfg: Config
    ) -> None:
        super().__init__()
        self.attention = attention
        self.up = TransposedConvNormAct(high_channels, low_channels, norm_cfg=norm_cfg, act_cfg=act_cfg)
        if attention:
            self.spatial = nn.Conv2d(low_channels, 1, 1, bias=False)
            self.channel = nn.Conv2d(low_channels, low_channels, 1, bias=False)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """Return the joined map at the finer resolution."""
        high = crop_like(self.up(high), low)
        if not self.attention:
            return high + low
        both = high * low * self.spatial(low).sigmoid()
        weighed = both * self.channel(both.mean(dim=(2, 3), keepdim=True)).sigmoid()
        return weighed * both + high


@MODELS.register_module()
class AGLNetHead(DecodeHead):
    """AGLNet's decoder: an attention pyramid at 1/8, two attention-guided upsamplings, a bare classifier.

    Args:
        in_channels: numbers of channels of the maps at 1/2, 1/4 and 1/8.
        num_classes: number of classes, and so of channels of the logits.
        attention_pyramid: whether to use the attention pyramid.
        attention_upsampling: whether attention guides the upsampling; False adds the upsampled map to the
            finer one.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        align_corners: whether every bilinear resizing aligns the corners of the two maps.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, 32, h, w), (N, 64, h/2, w/2), (N, 128, h/4, w/4) -> logits (N, num_classes, h, w).
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (32, 64, 128),
        *,
        num_classes: int,
        attention_pyramid: bool = True,
        attention_upsampling: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = True,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        low, middle, deep = in_channels
        super().__init__(in_channels, low, num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs)
        up = partial(AttentionUpsample, attention=attention_upsampling, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.pyramid = (
            FactorizedAttentionPyramid(deep, align_corners=align_corners, norm_cfg=norm_cfg, act_cfg=act_cfg)
            if attention_pyramid
            else nn.Identity()
        )
        self.up1 = up(middle, deep)
        self.up2 = up(low, middle)
        self.conv_seg = nn.Conv2d(low, num_classes, 1, bias=False)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at the resolution of the first map."""
        low, middle, deep = self._transform_inputs(inputs)
        return self.cls_seg(self.up2(low, self.up1(middle, self.pyramid(deep))))
