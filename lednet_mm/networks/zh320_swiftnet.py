"""SwiftNet: in defense of pre-trained ImageNet architectures for real-time semantic segmentation.

Paper: Orsic et al., CVPR 2019, arXiv:1903.08469. Authors' code: github.com/orsic/swiftnet. The code
reproduced here, with outputs proven equal, is a **third party's re-implementation** with ResNet-18,
github.com/zh320/realtime-semantic-segmentation-pytorch (commit c77b1b6), not the authors' code. With 19
classes it has 11.95 M parameters (the paper says 11.8 M).

The defaults here follow the re-implementation where it is unusual:

* The last convolution is followed by normalisation and activation, so the logits are never negative.
  ``norm_act_logits=False`` makes it a plain convolution with a bias.
* It accepts only heights and widths that are multiples of 32. Here every map is resized to the one it is
  added to, with the same result at every size that theirs accepts.

The trunk is MMSegmentation's ``ResNet`` with ``depth=18``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import Config, ConvNormAct, pyramid_pool, resize_like
from lednet_mm.networks.heads import DecodeHead
from lednet_mm.networks.repositories import LAST_NORM, THIRD_PARTY, ZH320, ZH320_COMMIT

CARD = Card(
    name="zh320_swiftnet",
    title="SwiftNet with ResNet-18 (re-implementation by zh320)",
    paper="arXiv:1903.08469",
    repository=ZH320,
    commit=ZH320_COMMIT,
    deviations=[THIRD_PARTY, LAST_NORM, "It has 11.95 M parameters; the paper says 11.8 M."],
    vectors={"zh320_swiftnet": Vector()},
)

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}


class SpatialPyramidPooling(nn.Module):
    """Join the input with its averages over coarse grids, each of which passes a plain 1x1 convolution.

    Args:
        in_channels: number of channels of the input.
        out_channels: number of channels of the output.
        pool_sizes: numbers of bins per side of the averages, each of which gets an equal part of
            ``in_channels``.
        align_corners: whether the averages' resizing aligns corners.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, in_channels, h, w) -> (N, out_channels, h, w).
    """

    def __init__(
        self,
        in_channels: int,
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
        channels = in_channels // max(1, len(pool_sizes))
        self.branches = nn.ModuleList(nn.Conv2d(in_channels, channels, 1, bias=False) for _ in pool_sizes)
        joined = in_channels + len(pool_sizes) * channels
        self.join = ConvNormAct(joined, out_channels, 1, bias=True, norm_cfg=norm_cfg, act_cfg=act_cfg)

    def forward(self, x: Tensor) -> Tensor:
        pooled = pyramid_pool(x, self.pool_sizes, self.branches, self.align_corners)
        return self.join(torch.cat([x, *pooled], dim=1))


@MODELS.register_module()
class ZH320SwiftNetHead(DecodeHead):
    """SwiftNet's decoder: pyramid pooling, then three steps that resize, add the trunk's map and convolve.

    Args:
        in_channels: numbers of channels of the trunk's maps, the finest first.
        num_classes: number of classes, and so of channels of the logits.
        channels: number of channels of every map of the decoder.
        pool_sizes: numbers of bins per side of the averages in the pyramid pooling; an empty tuple leaves it
            out but for its last 1x1 convolution.
        norm_act_logits: whether normalisation and activation follow the last convolution.
        norm_cfg: mmcv's normalisation config for the head; None removes all normalisation.
        act_cfg: mmcv's activation config.
        align_corners: whether every bilinear resizing aligns the corners of the two maps.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, in_channels[i], h/2^i, w/2^i) of any size -> logits (N, num_classes, h, w).
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (64, 128, 256, 512),
        *,
        num_classes: int,
        channels: int = 128,
        pool_sizes: Sequence[int] = (1, 2, 4, 6),
        norm_act_logits: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = True,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        super().__init__(
            in_channels, channels, num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs
        )
        *shallow, deep = in_channels
        unit = partial(ConvNormAct, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.context = SpatialPyramidPooling(
            deep, channels, pool_sizes, align_corners=align_corners, norm_cfg=norm_cfg, act_cfg=act_cfg
        )
        self.laterals = nn.ModuleList(unit(width, channels, 1) for width in shallow)
        classifier = (
            unit(channels, num_classes, 3)
            if norm_act_logits
            else nn.Conv2d(channels, num_classes, 3, padding=1)
        )
        self.convs = nn.ModuleList([*[unit(channels, channels, 3) for _ in shallow[1:]], classifier])

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at the resolution of the finest map."""
        *shallow, deep = self._transform_inputs(inputs)
        x = self.context(deep)
        for low, lateral, conv in zip(reversed(shallow), reversed(self.laterals), self.convs, strict=True):
            x = conv(resize_like(x, low, self.align_corners) + lateral(low))
        return x
