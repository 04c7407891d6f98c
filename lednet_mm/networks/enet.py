"""ENet: a deep neural network architecture for real-time semantic segmentation.

Paper: Paszke et al., arXiv:1606.02147. The authors' code is in Lua (github.com/e-lab/ENet-training); what is
followed here is its port to PyTorch, github.com/davidtvs/PyTorch-ENet (commit e17d404). With 20 classes it
has 0.352 M parameters and 4.18 G multiply-adds at 512x1024.

The port differs from the Lua code, and the defaults here follow the port:

* A PReLU has a single slope, not one per channel (``act_cfg={"type": "PReLU"}``).
* In the encoder and the decoder's plain blocks an activation follows the last 1x1 convolution too
  (``act_after_expansion=False`` leaves it out).
* The initial pooling is 3x3, not 2x2 (``initial_pool=2``); norm eps is 1e-5, not 1e-3.
* These differences have no switch: strided blocks are inside a quarter as wide as their input, not their
  output; norm and activation stand between the two asymmetric convolutions; no convolution has a bias; the
  decoder has dropout; transposed convolutions are 2x2 in the blocks and 3x3 at the end, not the other way
  round.

Encoder and decoder are one backbone here, as in mmseg's ``UNet``, because the decoder needs the pooling
indices of the encoder; only the last convolution is the head.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import (
    Config,
    ConvNormAct,
    ConvPoolDownsample,
    NormAct,
    crop_like,
    make_activation,
    pad_like,
    resize_like,
    unpool,
)
from lednet_mm.networks.heads import DecodeHead

CARD = Card(
    name="enet",
    title="ENet",
    paper="arXiv:1606.02147",
    repository="github.com/davidtvs/PyTorch-ENet",
    commit="e17d404",
    deviations=[
        "A port of the authors' Lua code, in which a PReLU has a single slope instead of one per "
        "channel, an activation follows the last convolution of a branch, and the initial pooling is "
        "3x3 instead of 2x2."
    ],
    vectors={"enet": Vector()},
    published=["ENet"],
)

BATCH_NORM = {"type": "BN"}
PRELU = {"type": "PReLU", "num_parameters": 1}
RELU = {"type": "ReLU"}
Kind = int | Literal["asymmetric"]


class Extension(nn.Sequential):
    """The block's learned branch: reduce to a quarter of the channels, convolve, expand, drop channels.

    Args:
        in_channels: number of channels of the input, a multiple of 4.
        out_channels: number of channels of the output.
        kind: dilation rate of the 3x3 convolution in the middle, or "asymmetric" for a 5x1 and a 1x5
            convolution.
        stride: stride of the block: 2 reduces by a 2x2 convolution of stride 2, 1 by a 1x1 convolution.
        dropout_ratio: probability of zeroing a channel.
        act_after_expansion: whether an activation follows the last convolution.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride), rounded down.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kind: Kind = 1,
        *,
        stride: int = 1,
        dropout_ratio: float,
        act_after_expansion: bool,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        unit = partial(ConvNormAct, norm_cfg=norm_cfg)
        width = in_channels // 4
        self.reduce = unit(in_channels, width, stride, stride=stride, padding=0, act_cfg=act_cfg)
        if kind == "asymmetric":
            self.middle: nn.Module = nn.Sequential(
                unit(width, width, (5, 1), act_cfg=act_cfg), unit(width, width, (1, 5), act_cfg=act_cfg)
            )
        else:
            self.middle = unit(width, width, 3, dilation=kind, act_cfg=act_cfg)
        self.expand = unit(width, out_channels, 1, act_cfg=act_cfg if act_after_expansion else None)
        self.dropout = nn.Dropout2d(dropout_ratio)


class Bottleneck(nn.Module):
    """Add the input and its extension, then activate. Shapes: (N, channels, H, W) -> (N, channels, H, W)."""

    def __init__(self, channels: int, extension: Extension, act_cfg: Config) -> None:
        super().__init__()
        self.extension = extension
        self.act = make_activation(act_cfg, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        return self.act(x + self.extension(x))


class Downsample(nn.Module):
    """Halve the resolution: add a strided extension to the pooled input, padded with zero channels.

    Shapes: (N, C, H, W) -> (N, out_channels, H/2, W/2), rounded down, and the indices (N, C, H/2, W/2).
    """

    def __init__(self, out_channels: int, extension: Extension, act_cfg: Config) -> None:
        super().__init__()
        self.extension = extension
        self.act = make_activation(act_cfg, out_channels)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the map at half resolution, and where the pooling found its values."""
        y = self.extension(x)
        pooled, indices = F.max_pool2d(x, 2, return_indices=True)
        padded = F.pad(pooled, (0, 0, 0, 0, 0, y.shape[1] - x.shape[1]))
        return self.act(padded + y), indices


class Upsample(nn.Module):
    """Double the resolution: a projection, unpooled by the encoder's indices, plus a transposed convolution.

    Args:
        in_channels: number of channels of the input, a multiple of 4.
        out_channels: number of channels of the output.
        unpooling: whether to unpool by the encoder's indices; False resizes the projection bilinearly.
        dropout_ratio: probability of zeroing a channel.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, in_channels, h, w), indices (N, out_channels, h, w), reference (N, out_channels, H, W) with
    h = H // 2 and w = W // 2 -> (N, out_channels, H, W).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        unpooling: bool,
        dropout_ratio: float,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        width = in_channels // 4
        self.unpooling = unpooling
        self.project = ConvNormAct(in_channels, out_channels, 1, norm_cfg=norm_cfg)
        self.reduce = ConvNormAct(in_channels, width, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.deconv = nn.ConvTranspose2d(width, width, 2, stride=2, bias=False)
        self.norm_act = NormAct(width, norm_cfg, act_cfg)
        self.expand = ConvNormAct(width, out_channels, 1, norm_cfg=norm_cfg)
        self.dropout = nn.Dropout2d(dropout_ratio)
        self.act = make_activation(act_cfg, out_channels)

    def forward(self, x: Tensor, indices: Tensor, reference: Tensor) -> Tensor:
        """Return the map at the resolution of ``reference``."""
        projected = self.project(x)
        if self.unpooling:
            main = unpool(projected, indices, reference.shape[2:])
        else:
            main = resize_like(projected, reference, align_corners=False)
        # At an odd size, the last row or column that the 2x2 kernels do not reach is zero.
        y = self.norm_act(pad_like(self.deconv(self.reduce(x)), reference))
        return self.act(main + self.dropout(self.expand(y)))


@MODELS.register_module()
class ENet(BaseModule):
    """ENet without its last convolution.

    Args:
        in_channels: number of channels of the image.
        channels: numbers of channels at 1/2, 1/4 and 1/8 of the input.
        blocks: number of blocks at 1/4 in the encoder, and at 1/4 and 1/2 in the decoder.
        deep_blocks: the blocks at 1/8: for each its dilation rate, or "asymmetric" (a 5x1 and a 1x5
            convolution).
        repeats: how many times the sequence ``deep_blocks`` is repeated.
        dropout_ratio: dropout probability up to the encoder's last block at 1/4, and dropout probability
            after it.
        initial_pool: kernel size of the pooling beside the first convolution, 3 or 2 (the paper's).
        act_after_expansion: whether an activation follows the last convolution of a branch.
        unpooling: whether to unpool by the encoder's indices; False resizes bilinearly.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config for the encoder; a PReLU without ``num_parameters`` has one slope
            per channel.
        decoder_act_cfg: mmcv's activation config for the decoder.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 128, H/8, W/8) of the encoder and (N, 16, H/2, W/2) of
    the decoder, and the image, whose size the head needs. Sizes at 1/2 are rounded up, smaller ones down.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (16, 64, 128),
        blocks: Sequence[int] = (4, 2, 1),
        deep_blocks: Sequence[Kind] = (1, 2, "asymmetric", 4, 1, 8, "asymmetric", 16),
        repeats: int = 2,
        dropout_ratio: Sequence[float] = (0.01, 0.1),
        initial_pool: Literal[2, 3] = 3,
        act_after_expansion: bool = True,
        unpooling: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = PRELU,
        decoder_act_cfg: Config = RELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        low, high = dropout_ratio
        wide, middle, deep = channels
        extension = partial(Extension, act_after_expansion=act_after_expansion, norm_cfg=norm_cfg)

        def row(width: int, kinds: Sequence[Kind], ratio: float, act: Config) -> nn.Sequential:
            return nn.Sequential(
                *[
                    Bottleneck(width, extension(width, width, kind, dropout_ratio=ratio, act_cfg=act), act)
                    for kind in kinds
                ]
            )

        def down(inputs: int, outputs: int, ratio: float) -> Downsample:
            branch = extension(inputs, outputs, stride=2, dropout_ratio=ratio, act_cfg=act_cfg)
            return Downsample(outputs, branch, act_cfg)

        up = partial(
            Upsample, unpooling=unpooling, dropout_ratio=high, norm_cfg=norm_cfg, act_cfg=decoder_act_cfg
        )
        self.initial = ConvPoolDownsample(in_channels, wide, bias=False, norm_cfg=norm_cfg, act_cfg=act_cfg)
        if initial_pool == 3:  # else the block's own 2x2
            self.initial.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.down1 = down(wide, middle, low)
        self.stage1 = row(middle, [1] * blocks[0], low, act_cfg)
        self.down2 = down(middle, deep, high)
        self.stage2 = row(deep, [*deep_blocks] * repeats, high, act_cfg)
        self.up4 = up(deep, middle)
        self.stage4 = row(middle, [1] * blocks[1], high, decoder_act_cfg)
        self.up5 = up(middle, wide)
        self.stage5 = row(wide, [1] * blocks[2], high, decoder_act_cfg)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the encoder's and the decoder's last map, and the image."""
        x1 = self.initial(x)
        x2, indices1 = self.down1(x1)
        x2 = self.stage1(x2)
        x3, indices2 = self.down2(x2)
        x3 = self.stage2(x3)
        y = self.stage4(self.up4(x3, indices2, x2))
        y = self.stage5(self.up5(y, indices1, x1))
        return x3, y, x


@MODELS.register_module()
class ENetHead(DecodeHead):
    """ENet's last convolution, a transposed 3x3 to the classes.

    Args:
        in_channels: numbers of channels of the decoder's map and of the image.
        num_classes: number of classes, and so of channels of the logits.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, 16, H/2, W/2), rounded up, and the image (N, 3, H, W) -> logits (N, num_classes, H, W).
    """

    def __init__(
        self, in_channels: Sequence[int] = (16, 3), *, num_classes: int, init_cfg: Config = None, **kwargs
    ) -> None:
        super().__init__(
            in_channels, in_channels[0], num_classes, init_cfg=init_cfg, in_index=[1, 2], **kwargs
        )
        self.conv_seg = nn.ConvTranspose2d(
            in_channels[0], num_classes, 3, stride=2, padding=1, output_padding=1, bias=False
        )

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at full resolution."""
        x, image = self._transform_inputs(inputs)
        return crop_like(self.cls_seg(x), image)
