"""PP-LiteSeg: a superior real-time semantic segmentation model.

Paper: Peng et al., arXiv:2204.02681. Authors' code: PaddleSeg (for another framework). The code reproduced
here, with outputs proven equal, is a **third party's re-implementation**,
github.com/zh320/realtime-semantic-segmentation-pytorch (commit c77b1b6), not the authors' code. With 19
classes and the encoder STDC1 it has 6.33 M parameters; the paper gives no number.

The re-implementation differs from the paper, and the defaults here follow the re-implementation:

* The last convolution is followed by normalisation and activation, so the logits are never negative.
  ``norm_act_logits=False`` makes it a plain convolution with a bias.
* In a strided STDC block the second convolution has the stride. STDC's authors put a strided depth-wise
  convolution before it, as MMSegmentation's ``STDCNet`` does, so the encoder here has a name of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import Config, ConvNormAct, Stages, pyramid_pool, resize_like
from lednet_mm.networks.heads import DecodeHead
from lednet_mm.networks.repositories import LAST_NORM, THIRD_PARTY, ZH320, ZH320_COMMIT

CARD = Card(
    name="pp_liteseg",
    title="PP-LiteSeg with STDC1 (re-implementation by zh320)",
    paper="arXiv:2204.02681",
    repository=ZH320,
    commit=ZH320_COMMIT,
    deviations=[
        THIRD_PARTY,
        LAST_NORM,
        "A strided STDC block has its stride in the second convolution, not in a depth-wise one before it.",
    ],
    vectors={"zh320_pp_liteseg": Vector()},
    published=["PP-LiteSeg (STDC1; 768x1536)", "PP-LiteSeg (STDC2; 768x1536)"],
)

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}


class STDCBlock(nn.Module):
    """Short-term dense concatenation: four convolutions in a row, whose maps are all joined.

    The first is 1x1 and makes half of the output's channels, the 3x3 ones a quarter, an eighth and an eighth.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int = 1, *, norm_cfg: Config, act_cfg: Config
    ) -> None:
        super().__init__()
        unit = partial(ConvNormAct, norm_cfg=norm_cfg, act_cfg=act_cfg)
        half, quarter, eighth = out_channels // 2, out_channels // 4, out_channels // 8
        self.conv1 = unit(in_channels, half, 1)
        self.conv2 = unit(half, quarter, 3, stride=stride)
        self.conv3 = unit(quarter, eighth, 3)
        self.conv4 = unit(eighth, eighth, 3)
        self.pool = nn.AvgPool2d(3, stride, padding=1) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return the joined maps."""
        x1 = self.conv1(x)
        x2 = self.conv2(x1)
        x3 = self.conv3(x2)
        return torch.cat([self.pool(x1), x2, x3, self.conv4(x3)], dim=1)


@MODELS.register_module()
class PPLiteSegSTDC(BaseModule):
    """PP-LiteSeg's encoder: STDC1, or STDC2 with ``blocks=(4, 5, 3)``.

    Args:
        in_channels: number of channels of the image.
        channels: numbers of channels at 1/2, 1/4, 1/8, 1/16 and 1/32.
        blocks: number of STDC blocks at 1/8, 1/16 and 1/32.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 256, H/8, W/8), (N, 512, H/16, W/16),
    (N, 1024, H/32, W/32), each rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (32, 64, 256, 512, 1024),
        blocks: Sequence[int] = (2, 2, 2),
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        block = partial(STDCBlock, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.stem = nn.Sequential(
            ConvNormAct(in_channels, channels[0], 3, stride=2, norm_cfg=norm_cfg, act_cfg=act_cfg),
            ConvNormAct(channels[0], channels[1], 3, stride=2, norm_cfg=norm_cfg, act_cfg=act_cfg),
        )
        self.stages = Stages(
            nn.Sequential(block(inputs, outputs, 2), *[block(outputs, outputs) for _ in range(number - 1)])
            for inputs, outputs, number in zip(channels[1:-1], channels[2:], blocks, strict=True)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps at 1/8, 1/16 and 1/32."""
        return self.stages(self.stem(x))


class SimplePyramidPooling(nn.Module):
    """SPPM: add up averages over coarse grids, each after a 1x1 convolution, and convolve the sum 3x3.

    Shapes: (N, in_channels, h, w) -> (N, out_channels, h, w).
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        out_channels: int,
        pool_sizes: Sequence[int],
        *,
        align_corners: bool,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        self.pool_sizes = tuple(pool_sizes)
        self.align_corners = align_corners
        self.branches = nn.ModuleList(
            ConvNormAct(in_channels, channels, 1, norm_cfg=norm_cfg, act_cfg=act_cfg) for _ in pool_sizes
        )
        self.conv = nn.Conv2d(channels, out_channels, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the context map."""
        pooled = pyramid_pool(x, self.pool_sizes, self.branches, self.align_corners)
        return self.conv(torch.stack(pooled).sum(dim=0))


class UnifiedAttentionFusion(nn.Module):
    """UAFM: mix a deep map with a shallow one by weights computed from both at each pixel.

    Args:
        low_channels: number of channels of the shallow map.
        channels: number of channels of the deep map and of the result.
        attention: whether attention weighs the two maps; False adds them.
        align_corners: whether the deep map's resizing aligns corners.

    Shapes: low (N, low_channels, h, w), deep (N, channels, any, any) -> (N, channels, h, w).
    """

    def __init__(self, low_channels: int, channels: int, *, attention: bool, align_corners: bool) -> None:
        super().__init__()
        self.align_corners = align_corners
        self.project = nn.Conv2d(low_channels, channels, 1, bias=False)
        self.attention = nn.Conv2d(4, 1, 1, bias=False) if attention else None

    def forward(self, low: Tensor, deep: Tensor) -> Tensor:
        """Return the mixed map."""
        low = self.project(low)
        deep = resize_like(deep, low, self.align_corners)
        if self.attention is None:
            return deep + low
        summary = [f(x) for x in (deep, low) for f in (_channel_mean, _channel_max)]
        weight = self.attention(torch.cat(summary, dim=1)).sigmoid()
        return weight * deep + (1 - weight) * low


def _channel_mean(x: Tensor) -> Tensor:
    return x.mean(dim=1, keepdim=True)


def _channel_max(x: Tensor) -> Tensor:
    return x.amax(dim=1, keepdim=True)


@MODELS.register_module()
class PPLiteSegHead(DecodeHead):
    """PP-LiteSeg's decoder: pyramid pooling, then two attention fusions on the way up to 1/8.

    Args:
        in_channels: numbers of channels of the maps at 1/8, 1/16 and 1/32.
        num_classes: number of classes, and so of channels of the logits.
        widths: numbers of channels after the convolutions at 1/32, 1/16 and 1/8.
        pool_channels: number of channels of each average in the pyramid pooling.
        pool_sizes: numbers of bins per side of the averages; an empty tuple leaves the pyramid pooling out
            but for its last convolution.
        attention: whether attention weighs the maps that are fused; False adds them.
        norm_act_logits: whether normalisation and activation follow the last convolution.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        align_corners: whether every bilinear resizing aligns the corners of the two maps.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, 256, h, w), (N, 512, h/2, w/2), (N, 1024, h/4, w/4) -> (N, num_classes, h, w).
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (256, 512, 1024),
        *,
        num_classes: int,
        widths: Sequence[int] = (32, 64, 128),
        pool_channels: int = 256,
        pool_sizes: Sequence[int] = (1, 2, 4),
        attention: bool = True,
        norm_act_logits: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = True,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        super().__init__(
            in_channels, widths[-1], num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs
        )
        unit = partial(ConvNormAct, norm_cfg=norm_cfg, act_cfg=act_cfg)
        fusion = partial(UnifiedAttentionFusion, attention=attention, align_corners=align_corners)
        low, middle, deep = in_channels
        first, second, third = widths
        self.context = (
            SimplePyramidPooling(
                deep,
                pool_channels,
                first,
                pool_sizes,
                align_corners=align_corners,
                norm_cfg=norm_cfg,
                act_cfg=act_cfg,
            )
            if pool_sizes
            else nn.Conv2d(deep, first, 3, padding=1, bias=False)
        )
        self.conv1 = unit(first, first, 3)
        self.fusion1 = fusion(middle, first)
        self.conv2 = unit(first, second, 3)
        self.fusion2 = fusion(low, second)
        self.conv3 = unit(second, third, 3)
        self.classifier = (
            unit(third, num_classes, 3) if norm_act_logits else nn.Conv2d(third, num_classes, 3, padding=1)
        )

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at 1/8 of the image."""
        low, middle, deep = self._transform_inputs(inputs)
        x = self.fusion1(middle, self.conv1(self.context(deep)))
        x = self.fusion2(low, self.conv2(x))
        return self.classifier(self.conv3(x))
