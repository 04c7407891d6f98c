"""AFFormer: a head-free transformer that learns filters for prototypes and restores pixels beside them.

Paper: Dong et al., AAAI 2023, arXiv:2301.04648. Authors' code: github.com/dongbo811/AFFormer
(tools/afformer.py and mmseg/models/decode_heads/aff_head.py, commit c42ad25). With 19 classes the tiny, small
and base networks have 2.09 M, 2.29 M and 2.90 M parameters; the authors' code builds 66,048 more that it does
not use.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import (
    Config,
    ConvNormAct,
    adaptive_average_pool,
    make_activation,
    make_norm,
    match_size,
    resize_like,
)

PAPER = "arXiv:2301.04648"
REPOSITORY = "github.com/dongbo811/AFFormer"
COMMIT = "c42ad25"

CARDS = [
    Card(
        name="afformer_tiny",
        title="AFFormer-tiny",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        vectors={"afformer_tiny": Vector()},
    ),
    Card(
        name="afformer_small",
        title="AFFormer-small",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        vectors={"afformer_small": Vector()},
    ),
    Card(
        name="afformer_base",
        title="AFFormer-base",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        vectors={"afformer_base": Vector()},
        published=["AFFormer-base"],
    ),
]

BATCH_NORM = {"type": "BN"}
HARD_SWISH = {"type": "HSwish"}


class SeparableEmbedding(nn.Sequential):
    """Depth-wise 3x3 convolution, 1x1 convolution, normalisation, activation.

    Shapes: (N, channels, H, W) -> (N, channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, channels: int, stride: int, *, norm_cfg: Config, act_cfg: Config) -> None:
        super().__init__()
        self.depth = nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False)
        self.point = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm = make_norm(norm_cfg, channels)
        self.act = make_activation(act_cfg, channels)


class PixelRestoring(nn.Module):
    """A bottleneck of half width around a depth-wise convolution, with a residual.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(self, channels: int, *, norm_cfg: Config, act_cfg: Config) -> None:
        super().__init__()
        width = channels // 2
        options: dict = {"norm_cfg": norm_cfg, "act_cfg": act_cfg}
        self.reduce = ConvNormAct(channels, width, 1, **options)
        self.depth = ConvNormAct(width, width, 3, groups=width, **options)
        self.expand = ConvNormAct(width, channels, 1, norm_cfg=norm_cfg)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.expand(self.depth(self.reduce(x)))


def as_map(tokens: Tensor, size: Sequence[int]) -> Tensor:
    """Turn tokens (N, H * W, C), row by row, into a map (N, C, H, W)."""
    return tokens.transpose(1, 2).reshape(tokens.shape[0], tokens.shape[2], size[0], size[1])


def as_tokens(x: Tensor) -> Tensor:
    """Turn a map (N, C, H, W) into tokens (N, H * W, C), row by row."""
    return x.flatten(2).transpose(1, 2)


class HighPass(nn.Module):
    """Depth-wise convolutions of growing kernels, each of a part of the channels.

    Args:
        channels: number of channels of input and output, a multiple of 8.
        kernels: kernel size and number of eighths of the channels of each convolution.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(self, channels: int, kernels: Sequence[Sequence[int]] = ((3, 2), (5, 3), (7, 3))) -> None:
        super().__init__()
        self.widths = [eighths * channels // 8 for _, eighths in kernels]
        self.convs = nn.ModuleList(
            nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width)
            for (kernel, _), width in zip(kernels, self.widths, strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        parts = x.split(self.widths, dim=1)
        return torch.cat([conv(part) for conv, part in zip(self.convs, parts, strict=True)], dim=1)


def low_pass(x: Tensor, bins: Sequence[int] = (1, 2, 3, 6)) -> Tensor:
    """Average equal parts of a map's channels over grids of growing numbers of bins, and rectify the result.

    Args:
        x: map (N, C, H, W).
        bins: numbers of bins per side, one for each part.

    Returns:
        (N, C, H, W).
    """
    parts = x.chunk(len(bins), dim=1)
    pooled = (adaptive_average_pool(part, (count, count)) for part, count in zip(parts, bins, strict=True))
    return torch.cat([resize_like(p, x, align_corners=False) for p in pooled], dim=1).relu()


class FrequencyAttention(nn.Module):
    """Attention that mixes channels, with a high-pass and a low-pass filter of the values.

    Args:
        channels: number of channels.
        heads: number of attention heads.

    Shapes: tokens (N, H * W, channels) -> tokens (N, H * W, channels).
    """

    def __init__(self, channels: int, heads: int = 8) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (channels // heads) ** -0.5
        self.qkv = nn.Linear(channels, 3 * channels)
        self.project = nn.Linear(channels, channels)

    def _by_head(self, x: Tensor) -> Tensor:
        """Return (N, heads, positions, channels of a head)."""
        n, count, channels = x.shape
        return x.reshape(n, count, self.heads, channels // self.heads).transpose(1, 2)

    def forward(self, tokens: Tensor, size: Sequence[int], high_pass: nn.Module) -> Tensor:
        query, key, value = self.qkv(tokens).chunk(3, dim=2)
        values = as_map(value, size)
        high, low = (self._by_head(as_tokens(y)) for y in (high_pass(values), low_pass(values)))
        query, key, value = map(self._by_head, (query, key, value))
        mixed = query @ (key.softmax(dim=2).transpose(2, 3) @ value)
        result = self.scale * mixed + query * high + low
        return self.project(result.transpose(1, 2).reshape(tokens.shape))


class FilterLayer(nn.Module):
    """A transformer's layer: attention, then an mlp with a depth-wise convolution, each with a residual.

    Args:
        channels: number of channels.
        heads: number of attention heads.
        mlp_ratio: ratio of the mlp's width to ``channels``.

    Shapes: tokens (N, H * W, channels) -> tokens (N, H * W, channels).
    """

    def __init__(self, channels: int, heads: int, mlp_ratio: int = 2) -> None:
        super().__init__()
        width = mlp_ratio * channels
        self.norm1 = nn.LayerNorm(channels, eps=1e-6)
        self.attention = FrequencyAttention(channels, heads)
        self.norm2 = nn.LayerNorm(channels, eps=1e-6)
        self.expand = nn.Linear(channels, width)
        self.depth = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.reduce = nn.Linear(width, channels)

    def forward(self, tokens: Tensor, size: Sequence[int], high_pass: nn.Module) -> Tensor:
        tokens = tokens + self.attention(self.norm1(tokens), size, high_pass)
        y = self.expand(self.norm2(tokens))
        y = F.gelu(y + as_tokens(self.depth(as_map(y, size))))
        return tokens + self.reduce(y)


class PrototypeEncoder(nn.Module):
    """Layers that share their position encoding and their high-pass filter.

    Args:
        channels: number of channels of input and output.
        heads: number of attention heads.
        depth: number of layers.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(self, channels: int, heads: int, depth: int) -> None:
        super().__init__()
        self.position = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.high_pass = HighPass(channels)
        self.layers = nn.ModuleList(FilterLayer(channels, heads) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[2:]
        tokens = as_tokens(x)
        for layer in self.layers:
            y = as_map(tokens, size)
            tokens = layer(as_tokens(y + self.position(y)), size, self.high_pass)
        return as_map(tokens, size)


class ParallelStage(nn.Module):
    """Restored pixels and, at lower resolution, encoded prototypes, added up and projected.

    Args:
        channels: number of channels of the input.
        out_channels: number of channels of the output.
        stride: stride of the first embedding.
        prototype_stride: stride from the pixels to the prototypes.
        heads: number of attention heads.
        depth: number of layers of the encoder; 0 means that the prototypes are added before the restoring.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(
        self,
        channels: int,
        out_channels: int,
        stride: int,
        prototype_stride: int,
        *,
        heads: int,
        depth: int,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        options: dict = {"norm_cfg": norm_cfg, "act_cfg": act_cfg}
        self.pixels = SeparableEmbedding(channels, stride, **options)
        self.prototypes = SeparableEmbedding(channels, prototype_stride, **options)
        self.restore = PixelRestoring(channels, **options)
        self.encoder = PrototypeEncoder(channels, heads, depth) if depth else None
        self.join = ConvNormAct(channels, out_channels, 1, **options)

    def forward(self, x: Tensor) -> Tensor:
        pixels = self.pixels(x)
        prototypes = self.prototypes(pixels)
        if self.encoder is None:
            return self.join(self.restore(pixels + prototypes))
        encoded = match_size(self.encoder(prototypes), pixels, align_corners=True)
        return self.join(self.restore(pixels) + encoded)


@MODELS.register_module()
class AFFormer(BaseModule):
    """AFFormer without its classifier.

    Args:
        in_channels: number of channels of the image.
        widths: numbers of channels of the stages' inputs.
        depths: numbers of transformer layers of the stages.
        strides: strides of the stages.
        prototype_strides: strides from the pixels to the prototypes of the stages.
        heads: number of attention heads.
        norm_cfg: mmcv's normalisation config; None removes all batch normalisation.
        act_cfg: mmcv's activation config.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> map (N, last width, H/8, W/8), rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        widths: Sequence[int] = (32, 64, 160, 216),
        depths: Sequence[int] = (0, 2, 4, 2),
        strides: Sequence[int] = (1, 2, 1, 1),
        prototype_strides: Sequence[int] = (1, 1, 2, 4),
        heads: int = 8,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = HARD_SWISH,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        options: dict = {"norm_cfg": norm_cfg, "act_cfg": act_cfg}
        first = widths[0]
        self.stem = nn.Sequential(
            ConvNormAct(in_channels, first // 2, 3, stride=2, **options),
            ConvNormAct(first // 2, first, 3, stride=2, **options),
        )
        outputs = (*widths[1:], widths[-1])
        self.stages = nn.Sequential(
            *(
                ParallelStage(
                    width,
                    following,
                    strides[i],
                    prototype_strides[i],
                    heads=heads,
                    depth=depths[i],
                    **options,
                )
                for i, (width, following) in enumerate(zip(widths, outputs, strict=True))
            )
        )

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Return the map at 1/8."""
        return (self.stages(self.stem(x)),)
