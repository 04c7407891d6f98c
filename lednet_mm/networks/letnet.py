"""LETNet: a convolutional U of bottleneck units with a small transformer at its deepest point.

Paper: Xu et al., IEEE Transactions on Intelligent Transportation Systems 2023, arXiv:2302.10484. Authors'
code: github.com/IVIPLab/LETNet (Network/model/LETNet.py and Network/model/module/transformer.py, commit
faaa065). With 19 classes it has 0.951 M parameters and 14.32 G multiply-adds at 512x1024.

* The published code does not run: its third long connection makes 16 channels that are added to 32. Here it
  makes 32, the only number that fits.
* A token attends only to tokens in its own quarter of the map's positions, counted row by row.
* Overlapping patches are summed after the transformer, not averaged.
* The authors' code takes multiples of 16 only. Here pooled maps are padded with zeros and enlarged maps are
  cut off at the bottom and right, with the same result at every size that theirs accepts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import product

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import (
    Config,
    ConvNormAct,
    ConvPoolDownsample,
    EfficientChannelAttention,
    NormAct,
    TransposedConvNormAct,
    channel_shuffle,
    crop_like,
)
from lednet_mm.networks.heads import DecodeHead

CARD = Card(
    name="letnet",
    title="LETNet",
    paper="arXiv:2302.10484",
    repository="github.com/IVIPLab/LETNet",
    commit="faaa065",
    deviations=[
        "The published code does not run; its third long connection has 32 channels here, not 16.",
        "A token attends only to tokens in its own quarter of the map's positions, counted row by row.",
    ],
    vectors={"letnet": Vector()},
    published=["LETNet"],
)

BATCH_NORM = {"type": "BN", "eps": 1e-3}
PRELU = {"type": "PReLU"}


class AttentiveBottleneck(nn.Module):
    """Bottleneck with a local and a dilated depth-wise branch, each with channel attention, and a shuffle.

    Args:
        channels: number of channels of input and output, even.
        dilation: dilation rate of the second branch.
        attention: whether the branches have channel attention.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(
        self, channels: int, dilation: int, *, attention: bool, norm_cfg: Config, act_cfg: Config
    ) -> None:
        super().__init__()
        width = channels // 2
        unit = partial(ConvNormAct, width, width, norm_cfg=norm_cfg, act_cfg=act_cfg)
        depthwise = partial(unit, groups=width)

        def branch(d: int) -> nn.Module:
            attend = EfficientChannelAttention() if attention else nn.Identity()
            return nn.Sequential(
                depthwise((3, 1), dilation=(d, 1)), depthwise((1, 3), dilation=(1, d)), attend
            )

        self.norm_act1 = NormAct(channels, norm_cfg, act_cfg)
        self.reduce = nn.Sequential(nn.Conv2d(channels, width, 1, bias=False), unit((3, 1)), unit((1, 3)))
        self.local = branch(1)
        self.dilated = branch(dilation)
        self.norm_act2 = NormAct(width, norm_cfg, act_cfg)
        self.expand = nn.Conv2d(width, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        reduced = self.reduce(self.norm_act1(x))
        y = self.local(reduced) + self.dilated(reduced) + reduced
        y = x + self.expand(self.norm_act2(y))
        return channel_shuffle(y, y.shape[1] // 2)


class ChunkedAttention(nn.Module):
    """Self-attention in which a token attends to the tokens of its own chunk alone.

    The tokens are cut into chunks of a quarter of their number, rounded down; what is left over makes shorter
    chunks.

    Args:
        channels: number of values of a token.
        width: number of values that queries, keys and values have together over all heads.
        heads: number of heads.

    Shapes: (N, tokens, channels) -> (N, tokens, channels).
    """

    def __init__(self, channels: int, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        # The authors' factor follows from the width before the reduction.
        self.scale = (channels / heads) ** -0.5
        self.reduce = nn.Linear(channels, width, bias=False)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.project = nn.Linear(width, channels)

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, _ = x.shape
        length = max(tokens // 4, 1)
        chunks = (tokens + length - 1) // length
        qkv = self.qkv(self.reduce(x))
        width = qkv.shape[2] // 3
        # The last chunk is filled up with tokens that no other attends to.
        qkv = F.pad(qkv, (0, 0, 0, chunks * length - tokens))
        qkv = qkv.reshape(n, chunks, length, 3, self.heads, width // self.heads)
        queries, keys, values = qkv.permute(3, 0, 1, 4, 2, 5).unbind(0)  # (N, chunks, heads, length, width)
        absent = torch.arange(chunks * length, device=x.device).reshape(chunks, 1, 1, length) >= tokens
        weights = (queries @ keys.transpose(3, 4)) * self.scale
        mixed = weights.masked_fill(absent, -torch.inf).softmax(dim=4) @ values
        mixed = mixed.permute(0, 1, 3, 2, 4).reshape(n, chunks * length, width)
        return self.project(mixed[:, :tokens])


def unfold_patches(x: Tensor) -> Tensor:
    """Return the 3x3 patch around every position: (N, C, H, W) -> (N, H * W, 9 * C).

    Beyond the borders are zeros. It equals ``F.unfold`` with a padding of 1, transposed.
    """
    n, channels, height, width = x.shape
    padded = F.pad(x, (1, 1, 1, 1))
    shifted = [padded[:, :, i : i + height, j : j + width] for i, j in product(range(3), repeat=2)]
    return torch.stack(shifted, dim=2).reshape(n, channels * 9, height * width).transpose(1, 2)


def fold_patches(tokens: Tensor, size: Sequence[int]) -> Tensor:
    """Add up overlapping 3x3 patches, one around every position: (N, H * W, 9 * C) -> (N, C, H, W).

    It equals ``F.fold`` with a padding of 1, and can be exported to ONNX.

    Args:
        tokens: the patches, as :func:`unfold_patches` arranges them.
        size: height and width of the map.
    """
    height, width = size
    n, _, values = tokens.shape
    patches = tokens.transpose(1, 2).reshape(n, values // 9, 9, height, width)
    padded = F.pad(patches, (1, 1, 1, 1))
    first, *others = (
        padded[:, :, k, 2 - i : 2 - i + height, 2 - j : 2 - j + width]
        for k, (i, j) in enumerate(product(range(3), repeat=2))
    )
    return sum(others, start=first)


class PatchTransformer(nn.Module):
    """A transformer layer whose tokens are the 3x3 patches around every position.

    Args:
        channels: number of channels of input and output.
        heads: number of heads of the attention.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(self, channels: int, heads: int = 8) -> None:
        super().__init__()
        values = 9 * channels
        self.norm1 = nn.LayerNorm(values)
        self.attention = ChunkedAttention(values, values // 2, heads)
        self.norm2 = nn.LayerNorm(values)
        self.mlp = nn.Sequential(nn.Linear(values, values // 4), nn.ReLU(), nn.Linear(values // 4, values))

    def forward(self, x: Tensor) -> Tensor:
        tokens = unfold_patches(x)
        tokens = tokens + self.attention(self.norm1(tokens))
        tokens = tokens + self.mlp(self.norm2(tokens))
        return fold_patches(tokens, x.shape[2:])


RATES = (1, 1, 2, 2, 4, 4, 8, 8, 16, 16, 32, 32)


@MODELS.register_module()
class LETNet(BaseModule):
    """LETNet's encoder and transformer.

    Args:
        in_channels: number of channels of the image.
        channels: numbers of channels at 1/2, 1/4, 1/8 and 1/16 of the input.
        dilations: dilation rates of the bottlenecks at 1/4, 1/8 and 1/16, one bottleneck for each.
        channel_attention: whether the bottlenecks have channel attention.
        transformer: whether the transformer follows the encoder.
        norm_cfg: mmcv's normalisation config; None removes all batch normalisation.
        act_cfg: mmcv's activation config; a PReLU has one slope per channel.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 64, H/4, W/4), (N, 128, H/8, W/8), (N, 32, H/16, W/16)
    before and (N, 32, H/16, W/16) after the transformer, each rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (32, 64, 128, 32),
        dilations: Sequence[Sequence[int]] = ((2, 2, 2), RATES, RATES),
        channel_attention: bool = True,
        transformer: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = PRELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        unit = partial(ConvNormAct, kernel_size=3, norm_cfg=norm_cfg, act_cfg=act_cfg)
        block = partial(AttentiveBottleneck, attention=channel_attention, norm_cfg=norm_cfg, act_cfg=act_cfg)
        stem = channels[0]
        self.stem = nn.Sequential(
            unit(in_channels, stem),
            unit(stem, stem),
            unit(stem, stem, stride=2),
            NormAct(stem, norm_cfg, act_cfg),
        )
        self.stages = nn.ModuleList()
        for inputs, outputs, rates in zip(channels, channels[1:], dilations, strict=False):
            # Where the width does not grow there is no room for the pooled input.
            grows = outputs > inputs
            down = (
                ConvPoolDownsample(inputs, outputs, bias=False, norm_cfg=norm_cfg, act_cfg=act_cfg)
                if grows
                else unit(inputs, outputs, stride=2)
            )
            blocks = nn.Sequential(*[block(outputs, rate) for rate in rates])
            self.stages.append(nn.Sequential(down, blocks, NormAct(outputs, norm_cfg, act_cfg)))
        self.transformer = PatchTransformer(channels[-1]) if transformer else nn.Identity()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps at 1/4, 1/8 and 1/16, and the last one as the transformer leaves it."""
        x = self.stem(x)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return (*maps, self.transformer(x))


class PixelAttention(nn.Module):
    """Scale every value of a map by a weight in (0, 1) that a 1x1 convolution computes.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.conv(x).sigmoid()


@MODELS.register_module()
class LETNetHead(DecodeHead):
    """LETNet's decoder: bottlenecks, a long connection and a transposed convolution at every scale.

    The map is enlarged once more before the 1x1 classifier.

    Args:
        in_channels: numbers of channels of the maps at 1/4, 1/8 and 1/16 and of the transformer's map, which
            has as many as the one before it.
        num_classes: number of classes, and so of channels of the logits.
        channels: number of channels after each upsampling.
        blocks: number of bottlenecks at each scale.
        dilation: dilation rate of the bottlenecks.
        channel_attention: whether the bottlenecks have channel attention.
        long_connections: whether the encoder's maps are added to the decoder's.
        pixel_attention: whether every value of the last map is weighted.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        align_corners: whether the resizing aligns corners.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, 64, H, W), (N, 128, H/2, W/2) and twice (N, 32, H/4, W/4) ->
    logits (N, num_classes, 4H, 4W).
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (64, 128, 32, 32),
        *,
        num_classes: int,
        channels: int = 16,
        blocks: int = 3,
        dilation: int = 2,
        channel_attention: bool = True,
        long_connections: bool = True,
        pixel_attention: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = PRELU,
        align_corners: bool = False,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        super().__init__(
            in_channels, channels, num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs
        )
        block = partial(AttentiveBottleneck, attention=channel_attention, norm_cfg=norm_cfg, act_cfg=act_cfg)
        up = partial(TransposedConvNormAct, norm_cfg=norm_cfg, act_cfg={"type": "ReLU6"})
        *skips, width = in_channels
        self.blocks = nn.ModuleList()
        self.connections = nn.ModuleList()
        self.ups = nn.ModuleList()
        self.norm_acts = nn.ModuleList()
        for skip in reversed(skips):
            self.blocks.append(nn.Sequential(*[block(width, dilation) for _ in range(blocks)]))
            if long_connections:
                self.connections.append(
                    nn.Sequential(
                        nn.Conv2d(skip, skip // 2, (3, 1), padding=(1, 0)),
                        nn.Conv2d(skip // 2, width, (1, 3), padding=(0, 1)),
                    )
                )
            self.ups.append(up(width, channels))
            self.norm_acts.append(NormAct(channels, norm_cfg, act_cfg))
            width = channels
        self.attend = PixelAttention(channels) if pixel_attention else nn.Identity()
        self.conv_seg = nn.Conv2d(channels, num_classes, 1, bias=False)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at four times the resolution of the first map."""
        *skips, x = self._transform_inputs(inputs)
        last = len(skips) - 1
        for i, skip in enumerate(reversed(skips)):
            x = self.blocks[i](crop_like(x, skip))
            if len(self.connections):
                x = x + self.connections[i](skip)
            x = self.ups[i](x)
            x = self.norm_acts[i](self.attend(x) if i == last else x)
        size = (2 * x.shape[2], 2 * x.shape[3])
        return self.cls_seg(F.interpolate(x, size=size, mode="bilinear", align_corners=self.align_corners))
