"""MiniNet: an efficient network for semantic analysis on small platforms.

Paper: Alonso et al., "Enhancing V-SLAM keyframe selection with an efficient ConvNet for semantic analysis",
ICRA 2019. The code reproduced here, with outputs proven equal, is a **third party's re-implementation**,
github.com/zh320/realtime-semantic-segmentation-pytorch (commit c77b1b6), not the authors' code. With 19
classes it has 1.41 M parameters; the paper says 3.1 M.

The defaults here follow the re-implementation where it is unusual:

* The deepest stage has 386 channels, which looks like a slip for 384.
* The last layer is an upsampling unit, so the logits pass through a batch normalisation and a SELU
  (``norm_act_logits=True``).
* It accepts only heights and widths that are multiples of 64. Here an upsampled map is cropped to the one it
  is joined to, with the same result at every size that theirs accepts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from mmengine.model import BaseModule
from mmengine.registry import MODELS as ROOT_MODELS
from mmseg.registry import MODELS
from torch import Tensor, nn

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import (
    Config,
    DepthwiseSeparable,
    Stages,
    TransposedConvNormAct,
    crop_like,
    make_activation,
)
from lednet_mm.networks.heads import DecodeHead
from lednet_mm.networks.repositories import LAST_NORM, THIRD_PARTY, ZH320, ZH320_COMMIT

CARD = Card(
    name="mininet",
    title="MiniNet (re-implementation by zh320)",
    paper="ICRA 2019",
    repository=ZH320,
    commit=ZH320_COMMIT,
    deviations=[
        THIRD_PARTY,
        LAST_NORM,
        "It has 1.41 M parameters; the paper says 3.1 M.",
        "The deepest stage has 386 channels, which looks like a slip for 384.",
    ],
    vectors={"zh320_mininet": Vector()},
    published=["MiniNet"],
)

BATCH_NORM = {"type": "BN"}
SELU = {"type": "SELU"}

# mmcv registers PyTorch's other activations; ``force`` keeps this working should it add SELU.
ROOT_MODELS.register_module(module=nn.SELU, force=True)


class ConvolutionalModule(nn.Module):
    """The sum of two factorised depth-wise 3x3 convolutions (one of each order) and the input, without norm.

    Args:
        channels: number of channels of input and output.
        dilation: dilation rate of every convolution.
        dropout_ratio: probability of zeroing a value before the shortcut is added.
        act_cfg: mmcv's activation config.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(self, channels: int, dilation: int = 1, *, dropout_ratio: float, act_cfg: Config) -> None:
        def conv(vertical: bool) -> nn.Conv2d:
            kernel, padding = ((3, 1), (dilation, 0)) if vertical else ((1, 3), (0, dilation))
            return nn.Conv2d(
                channels, channels, kernel, padding=padding, dilation=dilation, groups=channels, bias=False
            )

        def act() -> nn.Module:
            return make_activation(act_cfg, channels)

        super().__init__()
        self.first = nn.Sequential(conv(False), act(), conv(True), act())
        self.second = nn.Sequential(conv(True), act(), conv(False))
        self.dropout = nn.Dropout(dropout_ratio)
        self.act = act()

    def forward(self, x: Tensor) -> Tensor:
        """Return the module's output, of the input's shape."""
        first = self.first(x)
        return self.act(x + self.dropout(first + self.second(first)))


@MODELS.register_module()
class MiniNet(BaseModule):
    """MiniNet's encoder: separable downsampling to 1/16, then a dilated branch beside a deeper one.

    Args:
        in_channels: number of channels of the image.
        channels: numbers of channels at 1/2, 1/4, 1/8, 1/16, 1/32 and 1/64.
        dilations: dilation rates, one module at 1/16 for each; all 1 removes the dilation.
        dropout_ratio: dropout probability in every module.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 12, H/2, W/2), (N, 24, H/4, W/4), (N, 48, H/8, W/8)
    and (N, 288, H/16, W/16), each rounded up; the last holds both branches and their input.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (12, 24, 48, 96, 192, 386),
        dilations: Sequence[int] = (1, 2, 4, 8),
        dropout_ratio: float = 0.25,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = SELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        module = partial(ConvolutionalModule, dropout_ratio=dropout_ratio, act_cfg=act_cfg)
        down = partial(DepthwiseSeparable, stride=2, point_bias=True, norm_cfg=norm_cfg, act_cfg=act_cfg)
        up = partial(TransposedConvNormAct, norm_cfg=norm_cfg, act_cfg=act_cfg)
        *shallow, width, deep, deepest = channels
        inputs = [in_channels, *shallow]
        self.downs = Stages(down(a, b) for a, b in zip(inputs, [*shallow, width], strict=True))
        self.dilated = nn.Sequential(*[module(width, dilation) for dilation in dilations])
        self.deep_down = down(width, deep)
        self.deep = nn.Sequential(
            module(deep),
            down(deep, deepest),
            module(deepest),
            module(deepest),
            up(deepest, deep),
            module(deep),
        )
        self.deep_up = up(2 * deep, width)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps at 1/2, 1/4, 1/8 and 1/16."""
        *shallow, x = self.downs(x)
        y = self.deep_down(x)
        y = self.deep_up(torch.cat([crop_like(self.deep(y), y), y], dim=1))
        return *shallow, torch.cat([self.dilated(x), crop_like(y, x), x], dim=1)


@MODELS.register_module()
class MiniNetHead(DecodeHead):
    """MiniNet's decoder: upsampling units, each on the map so far and the encoder's of the same size.

    Args:
        in_channels: numbers of channels of the maps at 1/2, 1/4, 1/8 and 1/16.
        num_classes: number of classes, and so of channels of the logits.
        norm_act_logits: whether normalisation and activation follow the last convolution.
        dropout_ratio: dropout probability in the one module of the decoder.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        align_corners: whether the last resizing, which only sizes that are not multiples of 2 need, aligns
            corners.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, 12, h, w), (N, 24, h/2, w/2), (N, 48, h/4, w/4), (N, 288, h/8, w/8) -> logits
    (N, num_classes, 2h, 2w).
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (12, 24, 48, 288),
        *,
        num_classes: int,
        norm_act_logits: bool = True,
        dropout_ratio: float = 0.25,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = SELU,
        align_corners: bool = True,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        first, second, third, fourth = in_channels
        super().__init__(
            in_channels, first, num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs
        )
        up = partial(TransposedConvNormAct, norm_cfg=norm_cfg, act_cfg=act_cfg)
        width = 2 * third
        self.up4 = nn.Sequential(
            up(fourth, width),
            ConvolutionalModule(width, dropout_ratio=dropout_ratio, act_cfg=act_cfg),
            nn.Conv2d(width, third, 1, bias=False),
        )
        self.up3 = up(2 * third, second)
        self.up2 = up(2 * second, first)
        self.up1 = TransposedConvNormAct(
            2 * first,
            num_classes,
            norm_cfg=norm_cfg if norm_act_logits else None,
            act_cfg=act_cfg if norm_act_logits else None,
        )

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at twice the resolution of the first map."""
        first, second, third, x = self._transform_inputs(inputs)
        for up, skip in ((self.up4, third), (self.up3, second), (self.up2, first)):
            x = torch.cat([crop_like(up(x), skip), skip], dim=1)
        return self.up1(x)
