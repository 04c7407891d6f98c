"""TopFormer: a token pyramid from a MobileNet, a transformer of its joined tokens, and their injection.

Paper: Zhang et al., CVPR 2022, arXiv:2204.05525. Authors' code: github.com/hustvl/TopFormer (mmseg/models/
backbones/topformer.py and decode_heads/simple_head.py, commit cc0f436). With 19 classes TopFormer-T has 1.39
M parameters, TopFormer-S 3.01 M and TopFormer-B 4.84 M.

The authors' code computes a scale of the attention and does not use it. TopFormer-S has no configuration for
Cityscapes; its configuration for ADE20K is followed, with the dataset's classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from mmcv.cnn.bricks import DropPath
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import (
    Config,
    ConvNormAct,
    InvertedResidual,
    adaptive_average_pool,
    hard_sigmoid,
    resize_like,
)
from lednet_mm.networks.heads import DecodeHead

PAPER = "arXiv:2204.05525"
REPOSITORY = "github.com/hustvl/TopFormer"
COMMIT = "cc0f436"

CARDS = [
    Card(
        name="topformer_t",
        title="TopFormer-T",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        vectors={"topformer_t": Vector()},
        published=["TopFormer-T"],
    ),
    Card(
        name="topformer_s",
        title="TopFormer-S",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        deviations=["Its authors have no configuration for Cityscapes; this is the one for ADE20K."],
        vectors={"topformer_s": Vector()},
        published=["TopFormer-S"],
    ),
    Card(
        name="topformer_b",
        title="TopFormer-B",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        vectors={"topformer_b": Vector()},
        published=["TopFormer-B"],
    ),
]

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}
RELU6 = {"type": "ReLU6"}


def mobile_blocks(
    in_channels: int, blocks: Sequence[Sequence[int]], *, norm_cfg: Config, act_cfg: Config
) -> nn.Sequential:
    """Build a row of inverted residuals.

    Args:
        in_channels: number of channels of the input.
        blocks: kernel size, expansion, number of channels and stride of each block; an expansion of 1 has no
            convolution.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.
    """
    row = []
    for kernel, expansion, width, stride in blocks:
        row.append(
            InvertedResidual(
                in_channels,
                width,
                expansion if expansion > 1 else None,
                kernel_size=kernel,
                stride=stride,
                norm_cfg=norm_cfg,
                act_cfg=act_cfg,
            )
        )
        in_channels = width
    return nn.Sequential(*row)


class ConvMlp(nn.Sequential):
    """Two 1x1 convolutions with normalisation and a depth-wise one with a bias between them.

    Args:
        channels: number of channels of input and output.
        width: number of channels between the 1x1 convolutions.
        norm_cfg: mmcv's normalisation config; None leaves it out.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(self, channels: int, width: int, *, norm_cfg: Config) -> None:
        super().__init__()
        self.expand = ConvNormAct(channels, width, 1, norm_cfg=norm_cfg)
        self.depth = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.act = nn.ReLU6()
        self.project = ConvNormAct(width, channels, 1, norm_cfg=norm_cfg)


class ConvTransformerBlock(nn.Module):
    """A transformer's block on maps: attention and an mlp, each with a residual.

    Args:
        channels: number of channels of input and output.
        attention: the attention, which keeps the shape.
        mlp_ratio: ratio of the mlp's width to ``channels``.
        drop_path: probability of leaving out a residual's branch in training.
        norm_cfg: mmcv's normalisation config; None leaves it out.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(
        self, channels: int, attention: nn.Module, *, mlp_ratio: int, drop_path: float, norm_cfg: Config
    ) -> None:
        super().__init__()
        self.attention = attention
        self.mlp = ConvMlp(channels, mlp_ratio * channels, norm_cfg=norm_cfg)
        self.drop = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop(self.attention(x))
        return x + self.drop(self.mlp(x))


def drop_path_rates(largest: float, count: int) -> list[float]:
    """Return rates that grow linearly from 0 to ``largest``."""
    return [largest * i / max(count - 1, 1) for i in range(count)]


class TokenAttention(nn.Module):
    """Attention among all positions of a map, not scaled.

    Args:
        channels: number of channels of input and output.
        heads: number of attention heads.
        key_channels: number of channels of a head's queries and keys; its values have twice as many.
        norm_cfg: mmcv's normalisation config; None leaves it out.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(self, channels: int, heads: int, key_channels: int = 16, *, norm_cfg: Config) -> None:
        super().__init__()
        self.heads = heads
        unit = partial(ConvNormAct, kernel_size=1, norm_cfg=norm_cfg)
        self.query = unit(channels, heads * key_channels)
        self.key = unit(channels, heads * key_channels)
        self.value = unit(channels, 2 * heads * key_channels)
        self.project = unit(2 * heads * key_channels, channels)

    def _by_head(self, x: Tensor) -> Tensor:
        """Return (N, heads, positions, channels of a head)."""
        n, channels, height, width = x.shape
        return x.reshape(n, self.heads, channels // self.heads, height * width).transpose(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        n, _, height, width = x.shape
        query, key, value = (self._by_head(part(x)) for part in (self.query, self.key, self.value))
        mixed = (query @ key.transpose(2, 3)).softmax(dim=3) @ value
        joined = mixed.transpose(2, 3).reshape(n, -1, height, width)
        return self.project(F.relu6(joined))


class SemanticInjection(nn.Module):
    """Weight a fine map by a gate from the tokens of its scale, and add these tokens.

    Args:
        in_channels: number of channels of map and tokens.
        channels: number of channels of the output.
        norm_cfg: mmcv's normalisation config; None leaves it out.

    Shapes: fine (N, in_channels, H, W), tokens (N, in_channels, h, w) -> (N, channels, H, W).
    """

    def __init__(self, in_channels: int, channels: int, *, norm_cfg: Config) -> None:
        super().__init__()
        unit = partial(ConvNormAct, in_channels, channels, 1, norm_cfg=norm_cfg)
        self.local, self.tokens, self.gate = unit(), unit(), unit()

    def forward(self, fine: Tensor, tokens: Tensor) -> Tensor:
        local = self.local(fine)
        gate = resize_like(hard_sigmoid(self.gate(tokens)), local, align_corners=False)
        return local * gate + resize_like(self.tokens(tokens), local, align_corners=False)


@MODELS.register_module()
class TopFormer(BaseModule):
    """TopFormer without its head.

    Args:
        in_channels: number of channels of the image.
        widths: numbers of channels of the token pyramid at 1/4, 1/8, 1/16 and 1/32.
        last_blocks: number of blocks at 1/32.
        heads: number of attention heads.
        depth: number of transformer blocks.
        channels: number of channels of the injected maps.
        drop_path: probability of leaving out a branch of the last transformer block in training.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's config of the pyramid's activations.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, channels, H/8, W/8), the same at 1/16 and at 1/32, each
    rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        widths: Sequence[int] = (32, 64, 128, 160),
        last_blocks: int = 3,
        heads: int = 8,
        depth: int = 4,
        channels: int = 128,
        drop_path: float = 0.1,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        c0, c1, c2, c3 = widths
        options: dict = {"norm_cfg": norm_cfg, "act_cfg": act_cfg}
        self.stem = ConvNormAct(in_channels, 16, 3, stride=2, **options)
        self.stages = nn.ModuleList(
            [
                mobile_blocks(16, [(3, 1, 16, 1), (3, 4, c0, 2), (3, 3, c0, 1)], **options),
                mobile_blocks(c0, [(5, 3, c1, 2), (5, 3, c1, 1)], **options),
                mobile_blocks(c1, [(3, 3, c2, 2), (3, 3, c2, 1)], **options),
                mobile_blocks(c2, [(5, 6, c3, 2), (5, 6, c3, 1), (3, 6, c3, 1)][:last_blocks], **options),
            ]
        )
        total = sum(widths)
        self.transformer = nn.Sequential(
            *(
                ConvTransformerBlock(
                    total,
                    TokenAttention(total, heads, norm_cfg=norm_cfg),
                    mlp_ratio=2,
                    drop_path=rate,
                    norm_cfg=norm_cfg,
                )
                for rate in drop_path_rates(drop_path, depth)
            )
        )
        self.widths = tuple(widths)
        self.injections = nn.ModuleList(
            SemanticInjection(width, channels, norm_cfg=norm_cfg) for width in widths[1:]
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the injected maps, the finest first."""
        x = self.stem(x)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        size = ((x.shape[2] - 1) // 2 + 1, (x.shape[3] - 1) // 2 + 1)
        tokens = self.transformer(torch.cat([adaptive_average_pool(y, size) for y in maps], dim=1))
        parts = tokens.split(self.widths, dim=1)
        return tuple(
            inject(fine, part)
            for inject, fine, part in zip(self.injections, maps[1:], parts[1:], strict=True)
        )


@MODELS.register_module()
class TopFormerHead(DecodeHead):
    """TopFormer's head: the sum of all maps, a 1x1 convolution and the classifier.

    Args:
        in_channels: number of channels of each map, the same for all.
        num_classes: number of classes, and so of channels of the logits.
        dropout: probability of zeroing a channel before the classifier.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.
        align_corners: whether every bilinear resizing aligns the corners of the two maps.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, C, h, w), (N, C, h/2, w/2), (N, C, h/4, w/4) -> logits (N, num_classes, h, w).
    """

    plain_classifier = True

    def __init__(
        self,
        in_channels: Sequence[int] = (128, 128, 128),
        *,
        num_classes: int,
        dropout: float = 0.1,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = False,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        channels = in_channels[0]
        super().__init__(
            in_channels, channels, num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs
        )
        self.fuse = ConvNormAct(channels, channels, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.drop = nn.Dropout2d(dropout)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at 1/8 of the image."""
        x, *others = self._transform_inputs(inputs)
        for other in others:
            x = x + resize_like(other, x, self.align_corners)
        return self.cls_seg(self.drop(self.fuse(x)))
