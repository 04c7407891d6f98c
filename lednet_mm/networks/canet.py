"""CANet: a cross attention network for real-time semantic segmentation.

Paper: Liu et al., arXiv:1907.10958. The code reproduced here, with outputs proven equal, is a **third party's
re-implementation**, github.com/zh320/realtime-semantic-segmentation-pytorch (commit c77b1b6), not the
authors' code. With 19 classes it has 4.77 M parameters (the paper says 4.8 M with MobileNetV2).

The defaults here follow the re-implementation where it is unusual:

* The last layer is an upsampling unit of factor 8, so the logits pass through a batch normalisation and a
  ReLU (``norm_act_logits=True``) and are never negative.
* It refuses sizes whose map at 1/8 or 1/16 has an odd height or width. Here upsampled maps are cropped to the
  map they are joined with, with the same result at every size that theirs accepts.

The trunk is MMSegmentation's MobileNetV2, which computes what torchvision's does.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import Config, ConvNormAct, TransposedConvNormAct, crop_like
from lednet_mm.networks.heads import DecodeHead
from lednet_mm.networks.repositories import LAST_NORM, THIRD_PARTY, ZH320, ZH320_COMMIT

CARD = Card(
    name="canet",
    title="CANet (re-implementation by zh320)",
    paper="arXiv:1907.10958",
    repository=ZH320,
    commit=ZH320_COMMIT,
    deviations=[THIRD_PARTY, LAST_NORM, "It has 4.77 M parameters; the paper says 4.8 M."],
    vectors={"zh320_canet": Vector()},
    published=["CANet"],
)

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}
MOBILENET_V2 = {"type": "MobileNetV2", "out_indices": (4, 6)}


@MODELS.register_module()
class CANet(BaseModule):
    """CANet's two branches: a shallow spatial one, and a deep one for the context.

    Args:
        channels: numbers of channels of the spatial branch at 1/2, 1/4 and 1/8; the context map has the last
            number too.
        up_channels: number of channels of the context's deepest map, upsampled to 1/16.
        trunk: config of the context branch, an mmseg backbone that returns the maps at 1/16 and 1/32.
        trunk_channels: numbers of channels of those two maps.
        norm_cfg: mmcv's normalisation config, for the trunk too; None removes all normalisation (mmcv then
            gives the trunk's convolutions a bias).
        act_cfg: mmcv's activation config for everything but the trunk, which has its own.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default outside the trunk.

    Shapes: image (N, 3, H, W) of any size -> the spatial and the context map, both (N, 256, H/8, W/8),
    rounded up.
    """

    def __init__(
        self,
        channels: Sequence[int] = (64, 128, 256),
        up_channels: int = 192,
        trunk: dict = MOBILENET_V2,
        trunk_channels: Sequence[int] = (96, 320),
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        up = partial(TransposedConvNormAct, norm_cfg=norm_cfg, act_cfg=act_cfg)
        middle, deep = trunk_channels
        self.spatial = nn.Sequential(
            *[
                ConvNormAct(inputs, outputs, 3, stride=2, norm_cfg=norm_cfg, act_cfg=act_cfg)
                for inputs, outputs in zip((3, *channels[:-1]), channels, strict=True)
            ]
        )
        self.trunk = MODELS.build({**trunk, "norm_cfg": norm_cfg})
        self.up1 = up(deep, up_channels)
        self.up2 = up(middle + up_channels, channels[-1])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the spatial and the context map, both at 1/8."""
        spatial = self.spatial(x)
        middle, deep = self.trunk(x)
        context = torch.cat([crop_like(self.up1(deep), middle), middle], dim=1)
        return spatial, crop_like(self.up2(context), spatial)


@MODELS.register_module()
class CANetHead(DecodeHead):
    """CANet's feature cross attention: positions weighed by the spatial map, channels by the context.

    Args:
        in_channels: numbers of channels of the spatial and of the context map.
        num_classes: number of classes, and so of channels of the logits.
        channels: number of channels of the joined map.
        spatial_attention: whether to weigh the positions by the spatial map.
        channel_attention: whether to weigh the channels by the context map.
        norm_act_logits: whether normalisation and activation follow the last convolution.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        align_corners: whether the last resizing, which only sizes that are not multiples of 8 need, aligns
            corners.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: two maps (N, 256, h, w) of any size -> logits (N, num_classes, 8h, 8w).
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (256, 256),
        *,
        num_classes: int,
        channels: int = 256,
        spatial_attention: bool = True,
        channel_attention: bool = True,
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
        spatial, context = in_channels
        unit = partial(ConvNormAct, kernel_size=3, norm_cfg=norm_cfg)
        self.join = unit(spatial + context, channels, act_cfg=act_cfg)
        self.position_weight = unit(spatial, 1) if spatial_attention else None
        self.channel_weight = nn.Linear(context, channels) if channel_attention else None
        self.classify = unit(channels, num_classes, act_cfg=act_cfg)
        self.up = TransposedConvNormAct(
            num_classes,
            num_classes,
            scale=8,
            norm_cfg=norm_cfg if norm_act_logits else None,
            act_cfg=act_cfg if norm_act_logits else None,
        )

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at eight times the maps' resolution."""
        spatial, context = self._transform_inputs(inputs)
        joined = self.join(torch.cat([spatial, context], dim=1))
        weighed = joined
        if self.position_weight is not None:
            weighed = weighed * self.position_weight(spatial).sigmoid()
        if self.channel_weight is not None:
            largest = self.channel_weight(F.adaptive_max_pool2d(context, 1).flatten(1))
            mean = self.channel_weight(context.mean(dim=(2, 3)))
            weighed = weighed * (largest + mean).sigmoid()[:, :, None, None]
        return self.up(self.classify(weighed + joined))
