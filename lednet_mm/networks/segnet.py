"""SegNet: VGG-16's convolutions, and a mirrored decoder that upsamples by the indices of the pooling.

Paper: Badrinarayanan et al., TPAMI 2017, arXiv:1511.00561. The code followed is the version in
github.com/xiaoyufenfei/Efficient-Segmentation-Networks (model/SegNet.py, commit 0f0c32e): with 19 classes it
has 29.45 M parameters and 326.0 G multiply-adds at 512x1024.

Encoder and decoder are one backbone here, as in mmseg's ``UNet``, because the decoder needs the pooling
indices of the encoder; only the last convolution is the head.
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
from lednet_mm.layers import Config, ConvNormAct, unpool
from lednet_mm.networks.heads import DecodeHead
from lednet_mm.networks.repositories import ESN, ESN_COMMIT

CARD = Card(
    name="segnet",
    title="SegNet",
    paper="arXiv:1511.00561",
    repository=ESN,
    commit=ESN_COMMIT,
    vectors={"segnet": Vector()},
    published=["SegNet"],
)

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}


@MODELS.register_module()
class SegNet(BaseModule):
    """SegNet without its last convolution.

    Args:
        in_channels: number of channels of the image.
        channels: numbers of channels at 1/1, 1/2, 1/4, 1/8 and 1/16 of the input.
        depths: number of convolutions at each resolution, in the encoder and again in the decoder (which has
            one fewer at 1/1, where the head is the last).
        unpooling: whether to unpool by the encoder's indices; False resizes bilinearly.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config; a PReLU has one slope per channel.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Raises:
        ValueError: ``forward`` got an image smaller than 32 in height or width.

    Shapes: image (N, 3, H, W) of at least 32x32 -> maps of the encoder (N, 512, H/32, W/32), rounded down at
    every level, and of the decoder (N, 64, H, W).
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (64, 128, 256, 512, 512),
        depths: Sequence[int] = (2, 2, 3, 3, 3),
        unpooling: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        unit = partial(ConvNormAct, kernel_size=3, bias=True, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.unpooling = unpooling
        encoders, decoders = [], []
        for i, (width, depth) in enumerate(zip(channels, depths, strict=True)):
            down = unit(channels[i - 1] if i else in_channels, width)
            encoders.append(nn.Sequential(down, *[unit(width, width) for _ in range(depth - 1)]))
            up = [unit(width, channels[i - 1])] if i else []
            decoders.append(nn.Sequential(*[unit(width, width) for _ in range(depth - 1)], *up))
        self.encoders = nn.ModuleList(encoders)
        self.decoders = nn.ModuleList(decoders)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the deepest map and the map at full resolution."""
        smallest = 2 ** len(self.encoders)
        if not torch.onnx.is_in_onnx_export() and min(x.shape[2:]) < smallest:
            raise ValueError(f"height and width must be at least {smallest}, got {x.shape[2]}x{x.shape[3]}")
        pooled = []
        for encoder in self.encoders:
            x = encoder(x)
            size = x.shape[2:]
            x, indices = F.max_pool2d(x, 2, return_indices=True)
            pooled.append((indices, size))
        deepest = x
        for decoder, (indices, size) in zip(reversed(self.decoders), reversed(pooled), strict=True):
            if self.unpooling:
                x = unpool(x, indices, size)
            else:
                x = F.interpolate(x, size=size, mode="bilinear", align_corners=True)
            x = decoder(x)
        return deepest, x


@MODELS.register_module()
class SegNetHead(DecodeHead):
    """SegNet's last convolution, a 3x3 to the classes.

    Args:
        in_channels: number of channels of the map.
        num_classes: number of classes, and so of channels of the logits.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: map (N, in_channels, H, W) -> logits (N, num_classes, H, W).
    """

    def __init__(self, in_channels: int = 64, *, num_classes: int, init_cfg: Config = None, **kwargs) -> None:
        super().__init__(in_channels, in_channels, num_classes, init_cfg=init_cfg, **kwargs)
        self.conv_seg = nn.Conv2d(in_channels, num_classes, 3, padding=1)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at the resolution of the map."""
        return self.cls_seg(self._transform_inputs(inputs))
