"""SegFormer-B0: a hierarchical transformer with overlapping patches, and a head of linear layers.

Paper: Xie et al., NeurIPS 2021, arXiv:2105.15203. Authors' code: github.com/NVlabs/SegFormer
(mmseg/models/backbones/ mix_transformer.py and decode_heads/segformer_head.py, commit 65fa8cf). With 19
classes it has 3.72 M parameters and 17.94 G multiply-adds at 512x1024.

MMSegmentation's SegFormer-B0 differs in two points: its head has convolutions with normalisation and ReLU
where the authors' has linear layers alone, and joins the maps in the reverse order; and the layer
normalisations of its patches and of reduced keys and values have an eps of 1e-6, not PyTorch's 1e-5.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from mmcv.cnn.bricks import DropPath
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import Config, ConvNormAct, match_size
from lednet_mm.networks.afformer import as_map, as_tokens
from lednet_mm.networks.heads import BATCH_NORM, RELU, DecodeHead
from lednet_mm.networks.mmsegmentation import REPOSITORY as MMSEG

CARDS = [
    Card(
        name="segformer_b0",
        title="SegFormer-B0",
        paper="arXiv:2105.15203",
        repository="github.com/NVlabs/SegFormer",
        commit="65fa8cf",
        vectors={"segformer_b0": Vector()},
        published=["SegFormer-B0"],
    ),
    Card(
        name="segformer_b0_mmseg",
        title="SegFormer-B0 (MMSegmentation's)",
        paper="arXiv:2105.15203",
        repository=MMSEG,
        deviations=[
            "The head's linear layers are followed by a normalisation and a ReLU; the authors' are not.",
            "The layer normalisations of patches and of reduced keys have an eps of 1e-6, not 1e-5.",
        ],
        from_mmsegmentation=True,
        authors_forms=["segformer_b0"],
    ),
]


class ReducedAttention(nn.Module):
    """Attention whose keys and values come from a map that a strided convolution has shrunk.

    Args:
        channels: number of channels.
        heads: number of attention heads.
        reduction: stride of that convolution; 1 leaves it out.

    Shapes: tokens (N, H * W, channels) -> tokens (N, H * W, channels).
    """

    def __init__(self, channels: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(channels, channels)
        self.key_value = nn.Linear(channels, 2 * channels)
        self.project = nn.Linear(channels, channels)
        self.reduce: nn.Module | None = None
        if reduction > 1:
            self.reduce = nn.Conv2d(channels, channels, reduction, reduction)
            self.norm = nn.LayerNorm(channels)

    def _by_head(self, x: Tensor) -> Tensor:
        """Return (N, heads, positions, channels of a head)."""
        n, count, channels = x.shape
        return x.reshape(n, count, self.heads, channels // self.heads).transpose(1, 2)

    def forward(self, tokens: Tensor, size: Sequence[int]) -> Tensor:
        query = self._by_head(self.query(tokens))
        source = tokens
        if self.reduce is not None:
            source = self.norm(as_tokens(self.reduce(as_map(tokens, size))))
        key, value = (self._by_head(x) for x in self.key_value(source).chunk(2, dim=2))
        weights = (query @ key.transpose(2, 3) * query.shape[3] ** -0.5).softmax(dim=3)
        return self.project((weights @ value).transpose(1, 2).reshape(tokens.shape))


class MixBlock(nn.Module):
    """A transformer's block: attention, then an mlp with a depth-wise convolution, each with a residual.

    Args:
        channels: number of channels.
        heads: number of attention heads.
        reduction: stride at which keys and values are reduced.
        mlp_ratio: ratio of the mlp's width to ``channels``.
        drop_path: probability of leaving out a residual's branch in training.

    Shapes: tokens (N, H * W, channels) -> tokens (N, H * W, channels).
    """

    def __init__(
        self, channels: int, heads: int, reduction: int, *, mlp_ratio: int, drop_path: float
    ) -> None:
        super().__init__()
        width = mlp_ratio * channels
        self.norm1 = nn.LayerNorm(channels, eps=1e-6)
        self.attention = ReducedAttention(channels, heads, reduction)
        self.norm2 = nn.LayerNorm(channels, eps=1e-6)
        self.expand = nn.Linear(channels, width)
        self.depth = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.contract = nn.Linear(width, channels)
        self.drop = DropPath(drop_path)

    def forward(self, tokens: Tensor, size: Sequence[int]) -> Tensor:
        tokens = tokens + self.drop(self.attention(self.norm1(tokens), size))
        y = self.depth(as_map(self.expand(self.norm2(tokens)), size))
        return tokens + self.drop(self.contract(F.gelu(as_tokens(y))))


class MixStage(nn.Module):
    """Overlapping patches of a map as tokens, and blocks of them.

    Args:
        in_channels: number of channels of the input.
        channels: number of channels of the output.
        patch: size of a patch.
        stride: stride of the patches.
        blocks: the blocks.

    Shapes: (N, in_channels, H, W) -> (N, channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(
        self, in_channels: int, channels: int, patch: int, stride: int, blocks: Sequence[nn.Module]
    ) -> None:
        super().__init__()
        self.patches = nn.Conv2d(in_channels, channels, patch, stride, patch // 2)
        self.patch_norm = nn.LayerNorm(channels)
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x)
        size = x.shape[2:]
        tokens = self.patch_norm(as_tokens(x))
        for block in self.blocks:
            tokens = block(tokens, size)
        return as_map(self.norm(tokens), size)


@MODELS.register_module()
class MixTransformer(BaseModule):
    """SegFormer's encoder.

    Args:
        in_channels: number of channels of the image.
        widths: numbers of channels of the stages.
        depths: numbers of blocks of the stages.
        heads: numbers of attention heads of the stages.
        reductions: strides at which keys and values are reduced in the stages.
        mlp_ratio: ratio of the mlps' width to a stage's.
        drop_path: probability of leaving out a branch of the last block in training; it grows from 0.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, C, H/4, W/4) to (N, D, H/32, W/32), each rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        widths: Sequence[int] = (32, 64, 160, 256),
        depths: Sequence[int] = (2, 2, 2, 2),
        heads: Sequence[int] = (1, 2, 5, 8),
        reductions: Sequence[int] = (8, 4, 2, 1),
        mlp_ratio: int = 4,
        drop_path: float = 0.1,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        first_blocks = (0, *accumulate(depths))
        self.stages = nn.ModuleList()
        for i, width in enumerate(widths):
            blocks = [
                MixBlock(
                    width,
                    heads[i],
                    reductions[i],
                    mlp_ratio=mlp_ratio,
                    drop_path=drop_path * (first_blocks[i] + j) / (sum(depths) - 1),
                )
                for j in range(depths[i])
            ]
            self.stages.append(
                MixStage(widths[i - 1], width, 3, 2, blocks)
                if i
                else MixStage(in_channels, width, 7, 4, blocks)
            )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps of all stages."""
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return tuple(maps)


@MODELS.register_module()
class LinearMapsHead(DecodeHead):
    """SegFormer's head: a linear layer of every map, all joined, a 1x1 convolution and the classifier.

    Args:
        in_channels: numbers of channels of the maps.
        num_classes: number of classes, and so of channels of the logits.
        channels: number of channels of each layer's result and of the map that is classified.
        dropout: probability of zeroing a channel before the classifier.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.
        align_corners: whether every bilinear resizing aligns the corners of the two maps.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, C, h, w), (N, D, h/2, w/2) ... -> logits (N, num_classes, h, w).
    """

    plain_classifier = True

    def __init__(
        self,
        in_channels: Sequence[int] = (32, 64, 160, 256),
        *,
        num_classes: int,
        channels: int = 256,
        dropout: float = 0.1,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = False,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        super().__init__(
            in_channels, channels, num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs
        )
        self.layers = nn.ModuleList(nn.Linear(width, channels) for width in in_channels)
        self.fuse = ConvNormAct(len(in_channels) * channels, channels, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.drop = nn.Dropout2d(dropout)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at 1/4 of the image."""
        maps = self._transform_inputs(inputs)
        projected = [
            match_size(as_map(layer(as_tokens(x)), x.shape[2:]), maps[0], self.align_corners)
            for layer, x in zip(self.layers, maps, strict=True)
        ]
        return self.cls_seg(self.drop(self.fuse(torch.cat(projected[::-1], dim=1))))
