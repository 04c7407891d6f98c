"""LiteSeg: MobileNetV2 with a deeper, separable ASPP and a short decoder.

Paper: Emara et al., DICTA 2019, arXiv:1912.06683. Authors' code: github.com/tahaemara/LiteSeg (models/
liteseg_mobilenet.py, aspp.py and separableconv.py, commit 11399a5). With 19 classes it has 3.10 M parameters
and 4.51 G multiply-adds at 512x1024. The authors' code builds a classifier of 1.28 M more that it does not
use.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import Config, ConvNormAct, make_activation, make_norm, resize_like
from lednet_mm.networks.heads import DecodeHead

CARD = Card(
    name="liteseg_mobilenet",
    title="LiteSeg with MobileNetV2",
    paper="arXiv:1912.06683",
    repository="github.com/tahaemara/LiteSeg",
    commit="11399a5",
    deviations=["1.28 of the published 4.38 M parameters are in a classifier that is not used."],
    vectors={"liteseg_mobilenet": Vector()},
    published=["LiteSeg (MobileNet)"],
)

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}
RELU6 = {"type": "ReLU6"}


class Separable(nn.Sequential):
    """Depth-wise and 1x1 convolution, normalisation, activation (``depth``, ``point``, ``norm``, ``act``).

    Args:
        in_channels: number of channels of the input.
        out_channels: number of channels of the output.
        kernel_size: kernel size of the depth-wise convolution.
        dilation: dilation rate of the depth-wise convolution.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config; None leaves it out.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, H, W).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        dilation: int = 1,
        *,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        self.depth = nn.Conv2d(
            in_channels,
            in_channels,
            kernel_size,
            padding=dilation * (kernel_size // 2),
            dilation=dilation,
            groups=in_channels,
            bias=False,
        )
        self.point = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.norm = make_norm(norm_cfg, out_channels)
        self.act = make_activation(act_cfg, out_channels)


@MODELS.register_module()
class LiteSegHead(DecodeHead):
    """LiteSeg's decoder: a deeper ASPP of the deepest map, joined with that map and with the one at 1/4.

    Args:
        in_channels: numbers of channels of the maps at 1/4 and 1/32.
        num_classes: number of classes, and so of channels of the logits.
        expanded_channels: number of channels to which a 1x1 convolution expands the deepest map.
        channels: number of channels of every branch and of the map that is classified.
        dilations: dilation rates of the ASPP's 3x3 branches.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.
        align_corners: whether every bilinear resizing aligns the corners of the two maps.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, 24, h, w) and (N, 320, h/8, w/8) -> logits (N, num_classes, h, w).
    """

    plain_classifier = True

    def __init__(
        self,
        in_channels: Sequence[int] = (24, 320),
        *,
        num_classes: int,
        expanded_channels: int = 1280,
        channels: int = 96,
        dilations: Sequence[int] = (3, 6, 9),
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = True,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        super().__init__(
            in_channels, channels, num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs
        )
        unit = partial(Separable, norm_cfg=norm_cfg)
        fine, deep = in_channels
        self.expand = ConvNormAct(deep, expanded_channels, 1, norm_cfg=norm_cfg, act_cfg=RELU6)
        self.flat = unit(expanded_channels, channels, 1, act_cfg=None)
        self.branches = nn.ModuleList(
            nn.Sequential(
                unit(expanded_channels, channels, 3, rate, act_cfg=None),
                unit(channels, channels, act_cfg=act_cfg),
            )
            for rate in dilations
        )
        self.pooled = ConvNormAct(expanded_channels, channels, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)
        joined = expanded_channels + (len(dilations) + 2) * channels
        self.join = unit(joined, channels, 1, act_cfg=act_cfg)
        self.fuse = nn.Sequential(
            unit(channels + fine, channels, act_cfg=act_cfg), unit(channels, channels, act_cfg=act_cfg)
        )

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at 1/4 of the image."""
        fine, deep = self._transform_inputs(inputs)
        x = self.expand(deep)
        pooled = resize_like(self.pooled(F.adaptive_avg_pool2d(x, 1)), x, self.align_corners)
        x = self.join(torch.cat([x, self.flat(x), *(branch(x) for branch in self.branches), pooled], dim=1))
        return self.cls_seg(self.fuse(torch.cat([resize_like(x, fine, self.align_corners), fine], dim=1)))
