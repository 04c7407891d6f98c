"""ADSCNet: asymmetric depth-wise separable convolutions for real-time semantic segmentation.

Paper: Wang et al., "ADSCNet: asymmetric depthwise separable convolution for semantic segmentation in
real-time", Applied Intelligence 2020. The code reproduced here, with outputs proven equal, is a **third
party's re-implementation**, github.com/zh320/realtime-semantic-segmentation-pytorch (commit c77b1b6), not the
authors' code. With 19 classes it has 0.51 M parameters; its own table quotes no figure from the paper.

The defaults here follow the re-implementation where it is unusual:

* The last layer is an upsampling unit, so the logits pass through a batch normalisation and a ReLU
  (``norm_act_logits=True``) and are never negative.
* It refuses sizes whose map at 1/2 or 1/4 has an odd height or width. Here upsampled maps are cropped to the
  map they are added to, with the same result at every size that theirs accepts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import Config, ConvNormAct, Stages, TransposedConvNormAct, crop_like
from lednet_mm.networks.heads import DecodeHead
from lednet_mm.networks.repositories import LAST_NORM, THIRD_PARTY, ZH320, ZH320_COMMIT

CARD = Card(
    name="adscnet",
    title="ADSCNet (re-implementation by zh320)",
    paper="Applied Intelligence 50, 2020",
    repository=ZH320,
    commit=ZH320_COMMIT,
    deviations=[THIRD_PARTY, LAST_NORM],
    vectors={"zh320_adscnet": Vector()},
    published=["ADSCNet"],
)

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}
RELU6 = {"type": "ReLU6"}


class AsymmetricSeparableBlock(nn.Module):
    """ADSC block: depth-wise 3x1 and 1x3 convolutions, each followed by a plain 1x1 convolution.

    At stride 1 the input is added; at stride 2 it is average-pooled and appended, which doubles the channels.

    Args:
        channels: number of channels of the input.
        stride: stride of the block, 1 or 2.
        dilation: dilation rate of both depth-wise convolutions.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, channels, H, W) -> (N, channels, H, W), at stride 2 (N, 2 * channels, ceil(H/2), ceil(W/2)).
    """

    def __init__(
        self, channels: int, stride: int = 1, dilation: int = 1, *, norm_cfg: Config, act_cfg: Config
    ) -> None:
        super().__init__()
        depthwise = partial(
            ConvNormAct,
            channels,
            channels,
            dilation=dilation,
            groups=channels,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
        )
        self.conv = nn.Sequential(
            depthwise((3, 1), stride=stride),
            nn.Conv2d(channels, channels, 1, bias=False),
            depthwise((1, 3)),
            nn.Conv2d(channels, channels, 1, bias=False),
        )
        self.pool = nn.AvgPool2d(3, stride=2, padding=1) if stride == 2 else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        y = self.conv(x)
        return x + y if self.pool is None else torch.cat([y, self.pool(x)], dim=1)


class DenseDilatedContext(nn.Module):
    """DDCC: densely connected dilated convolutions, each after an average pooling about as wide as its reach.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(self, channels: int, dilations: Sequence[int], *, norm_cfg: Config, act_cfg: Config) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(count * channels, channels, 1, bias=False) if count > 1 else nn.Identity(),
                nn.AvgPool2d(dilation, stride=1, padding=dilation // 2),
                AsymmetricSeparableBlock(channels, dilation=dilation, norm_cfg=norm_cfg, act_cfg=act_cfg),
            )
            for count, dilation in enumerate(dilations, 1)
        )
        self.fuse = nn.Conv2d((1 + len(dilations)) * channels, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the map with the context of every level."""
        maps = [x]
        for level in self.levels:
            maps.append(level(torch.cat(maps, dim=1)))
        return self.fuse(torch.cat(maps, dim=1))


@MODELS.register_module()
class ADSCNet(BaseModule):
    """ADSCNet's encoder with its dense dilated context module.

    Args:
        in_channels: number of channels of the image.
        channels: number of channels at 1/2; each further halving of the resolution doubles it.
        context_dilations: dilation rates (odd) of the context module's levels; an empty tuple leaves the
            module out.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 32, H/2, W/2), (N, 64, H/4, W/4), (N, 128, H/8, W/8),
    each rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: int = 32,
        context_dilations: Sequence[int] = (3, 5, 9, 13),
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU6,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        block = partial(AsymmetricSeparableBlock, norm_cfg=norm_cfg, act_cfg=act_cfg)
        deep: list[nn.Module] = [block(2 * channels, stride=2)]
        if context_dilations:
            deep.append(
                DenseDilatedContext(4 * channels, context_dilations, norm_cfg=norm_cfg, act_cfg=act_cfg)
            )
        self.stages = Stages(
            [
                nn.Sequential(
                    ConvNormAct(in_channels, channels, 3, stride=2, norm_cfg=norm_cfg, act_cfg=act_cfg),
                    block(channels),
                ),
                nn.Sequential(block(channels), block(channels, stride=2), block(2 * channels)),
                nn.Sequential(*deep),
            ]
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps at 1/2, 1/4 and 1/8."""
        return self.stages(x)


@MODELS.register_module()
class ADSCNetHead(DecodeHead):
    """ADSCNet's decoder: transposed convolutions and ADSC blocks, with sums from the encoder.

    Args:
        in_channels: numbers of channels of the maps at 1/2, 1/4 and 1/8.
        num_classes: number of classes, and so of channels of the logits.
        norm_act_logits: whether normalisation and activation follow the last convolution.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config for the ADSC blocks.
        upsample_act_cfg: mmcv's activation config, used after transposed convolutions.
        align_corners: whether the last resizing, which only sizes that are not multiples of 2 need, aligns
            corners.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, 32, h, w), (N, 64, h/2, w/2), (N, 128, h/4, w/4) -> logits (N, num_classes, 2h, 2w).
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (32, 64, 128),
        *,
        num_classes: int,
        norm_act_logits: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU6,
        upsample_act_cfg: Config = RELU,
        align_corners: bool = True,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        low, middle, deep = in_channels
        super().__init__(in_channels, low, num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs)
        block = partial(AsymmetricSeparableBlock, norm_cfg=norm_cfg, act_cfg=act_cfg)
        up = partial(TransposedConvNormAct, norm_cfg=norm_cfg, act_cfg=upsample_act_cfg)
        self.up1 = nn.Sequential(up(deep, middle), block(middle))
        self.up2 = nn.Sequential(block(middle), up(middle, low))
        classify = TransposedConvNormAct(
            low,
            num_classes,
            norm_cfg=norm_cfg if norm_act_logits else None,
            act_cfg=upsample_act_cfg if norm_act_logits else None,
        )
        self.up3 = nn.Sequential(block(low), classify)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at twice the resolution of the first map."""
        low, middle, deep = self._transform_inputs(inputs)
        middle = middle + crop_like(self.up1(deep), middle)
        low = low + crop_like(self.up2(middle), low)
        return self.up3(low)
