"""FarSee-Net: multi-scale context and feature space super-resolution for real-time semantic segmentation.

Paper: Zhang et al., arXiv:2003.03913. The code reproduced here, with outputs proven equal, is a **third
party's re-implementation**, github.com/zh320/realtime-semantic-segmentation-pytorch (commit c77b1b6), not the
authors' code. With 19 classes it has 16.75 M parameters with ResNet-18 (its own table quotes no figure from
the paper).

It refuses sizes whose map at 1/16 has an odd height or width. Here the upsampled map is cropped to the one it
is joined with, with the same result at every size that theirs accepts.

The trunk is MMSegmentation's ``ResNet`` with ``depth=18``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import Config, ConvNormAct, crop_like, resize_like
from lednet_mm.networks.heads import DecodeHead
from lednet_mm.networks.repositories import THIRD_PARTY, ZH320, ZH320_COMMIT

CARD = Card(
    name="farseenet",
    title="FarSee-Net (re-implementation by zh320)",
    paper="arXiv:2003.03913",
    repository=ZH320,
    commit=ZH320_COMMIT,
    deviations=[THIRD_PARTY],
    vectors={"zh320_farseenet": Vector()},
    published=["FarSeeNet"],
)

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}


class FactorizedPyramid(nn.Module):
    """Factorised atrous spatial pyramid: 1x1 convolutions, each but one followed by a dilated depth-wise one.

    Shapes: (N, in_channels, h, w) -> (N, (1 + number of dilations) * channels, h, w).
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        dilations: Sequence[int],
        *,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        unit = partial(ConvNormAct, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.branches = nn.ModuleList(
            [
                unit(in_channels, channels, 1),
                *[
                    nn.Sequential(
                        unit(in_channels, channels, 1),
                        unit(channels, channels, 3, dilation=dilation, groups=channels),
                    )
                    for dilation in dilations
                ],
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the concatenated branches."""
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def sub_pixel_convolution(in_channels: int, out_channels: int, scale: int) -> nn.Sequential:
    """Make a 1x1 convolution whose channels are rearranged to ``scale`` times the height and width."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels * scale**2, 1, bias=False), nn.PixelShuffle(scale)
    )


@MODELS.register_module()
class FarSeeNetHead(DecodeHead):
    """FarSee-Net's decoder: two cascaded pyramids (CF-ASPP), each followed by a super-resolution.

    Args:
        in_channels: numbers of channels of the trunk's maps at 1/16 and 1/32.
        num_classes: number of classes, and so of channels of the logits.
        channels: number of channels of each branch of the two pyramids.
        dilations: dilation rates of the branches, for each of the two pyramids.
        detail_channels: number of channels of the projected map at 1/16.
        fused_channels: number of channels of the upsampled first pyramid, and before the classifier.
        super_resolution: whether to upsample by sub-pixel convolutions; False upsamples bilinearly, at the
            end from 1/16.
        norm_cfg: mmcv's normalisation config for the head; None removes all normalisation.
        act_cfg: mmcv's activation config.
        align_corners: whether every bilinear resizing aligns the corners of the two maps.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, 256, h, w), (N, 512, h/2, w/2) of any size -> logits (N, num_classes, 4h, 4w), without
    ``super_resolution`` (N, num_classes, h, w).
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (256, 512),
        *,
        num_classes: int,
        channels: Sequence[int] = (256, 128),
        dilations: Sequence[Sequence[int]] = ((6, 12, 18), (6, 12)),
        detail_channels: int = 48,
        fused_channels: int = 512,
        super_resolution: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = True,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        super().__init__(
            in_channels, fused_channels, num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs
        )
        self.super_resolution = super_resolution
        unit = partial(ConvNormAct, norm_cfg=norm_cfg, act_cfg=act_cfg)
        pyramid = partial(FactorizedPyramid, norm_cfg=norm_cfg, act_cfg=act_cfg)
        low, high = in_channels
        up_scale, last_scale = (2, 4) if super_resolution else (1, 1)
        self.high = pyramid(high, channels[0], dilations[0])
        self.up = sub_pixel_convolution((1 + len(dilations[0])) * channels[0], fused_channels, up_scale)
        self.project_low = unit(low, detail_channels, 1)
        self.low = pyramid(fused_channels + detail_channels, channels[1], dilations[1])
        self.fuse = nn.Sequential(
            unit((1 + len(dilations[1])) * channels[1], fused_channels, 1),
            unit(fused_channels, fused_channels, 3),
        )
        self.conv_seg = sub_pixel_convolution(fused_channels, num_classes, last_scale)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at four times the resolution of the first map."""
        low, high = self._transform_inputs(inputs)
        high = self.up(self.high(high))
        high = crop_like(high, low) if self.super_resolution else resize_like(high, low, self.align_corners)
        joined = torch.cat([high, self.project_low(low)], dim=1)
        return self.cls_seg(self.fuse(self.low(joined)))
