"""SCTNet: a single convolutional branch that imitates a transformer's features in training.

Paper: Xu et al., AAAI 2024, arXiv:2312.17071. Authors' code: github.com/xzz777/SCTNet
(mmseg/models/backbones/ sctnet.py, decode_heads/sct_head.py and sct_head_auxiliary.py, commit d4bd6d8). With
19 classes SCTNet-S has 4.69 M parameters and SCTNet-B 17.6 M, each with the auxiliary head that only training
uses.

Here it is trained without the transformer (a frozen SegFormer) that the authors' code imitates.
"""

from __future__ import annotations

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
    ScalePyramid,
    basic_blocks,
    make_activation,
    make_norm,
    resize_like,
)
from lednet_mm.networks.ddrnet import double_stem

PAPER = "arXiv:2312.17071"
REPOSITORY = "github.com/xzz777/SCTNet"
COMMIT = "d4bd6d8"
WITHOUT_TEACHER = "It is trained without the SegFormer whose features the authors' training imitates."
ZERO_KERNELS = (
    "The learned kernels of the attention begin at zero, as the authors' initialisation leaves them."
)

CARDS = [
    Card(
        name="sctnet_s",
        title="SCTNet-S",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        deviations=[WITHOUT_TEACHER, ZERO_KERNELS],
        vectors={"sctnet_s": Vector()},
        published=["SCTNet-S-Seg50", "SCTNet-S-Seg75"],
    ),
    Card(
        name="sctnet_b",
        title="SCTNet-B",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        deviations=[WITHOUT_TEACHER, ZERO_KERNELS],
        vectors={"sctnet_b": Vector()},
        published=["SCTNet-B-Seg50", "SCTNet-B-Seg75", "SCTNet-B-Seg100"],
    ),
]

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}


class ConvolutionalAttention(nn.Module):
    """Attention to learned keys by convolutions: a 7x1 and a 1x7 kernel, each used in both directions.

    Args:
        channels: number of channels of input and output.
        keys: number of learned keys.
        heads: number of groups of keys whose weights are normalised together.
        size: length of the kernels.
        norm_cfg: mmcv's normalisation config; None leaves it out.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(
        self, channels: int, keys: int = 64, heads: int = 8, size: int = 7, *, norm_cfg: Config
    ) -> None:
        super().__init__()
        self.heads = heads
        self.norm = make_norm(norm_cfg, channels)
        self.vertical = nn.Parameter(torch.zeros(keys, channels, size, 1))
        self.horizontal = nn.Parameter(torch.zeros(keys, channels, 1, size))

    def _weigh(self, scores: Tensor) -> Tensor:
        """Normalise scores (N, keys, H, W) over all positions, then over the keys of each head."""
        n, keys, height, width = scores.shape
        weights = scores.reshape(n, self.heads, keys // self.heads, height * width).softmax(dim=3)
        weights = weights / (weights.sum(dim=2, keepdim=True) + 1e-6)
        return weights.reshape(n, keys, height, width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        results = []
        for kernel in (self.vertical, self.horizontal):
            padding = (kernel.shape[2] // 2, kernel.shape[3] // 2)
            weights = self._weigh(F.conv2d(x, kernel, padding=padding))
            results.append(F.conv2d(weights, kernel.transpose(0, 1), padding=padding))
        return results[0] + results[1]


class ConvFormerBlock(nn.Module):
    """A transformer's block of convolutions: attention, then two 3x3 convolutions, each with a residual.

    Args:
        channels: number of channels of input and output.
        drop_path: probability of leaving out a residual's branch in training.
        norm_cfg: mmcv's normalisation config; None leaves it out.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(self, channels: int, *, drop_path: float, norm_cfg: Config) -> None:
        super().__init__()
        self.attention = ConvolutionalAttention(channels, norm_cfg=norm_cfg)
        self.mlp = nn.Sequential(
            make_norm(None if norm_cfg is None else {**norm_cfg, "eps": 1e-6}, channels),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        self.drop = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop(self.attention(x))
        return x + self.drop(self.mlp(x))


@MODELS.register_module()
class SCTNet(BaseModule):
    """SCTNet without its heads.

    Args:
        in_channels: number of channels of the image.
        channels: number of channels at 1/4; the other maps have 2, 4 and 8 times as many.
        blocks: number of residual blocks at 1/4, 1/8 and 1/16 each.
        drop_path: probability of leaving out a branch of the transformer's blocks in training.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 2 * channels, H/8, W/8) for the auxiliary head and
    (N, 4 * channels, H/8, W/8), each rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: int = 32,
        blocks: int = 2,
        drop_path: float = 0.1,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        options: dict = {"norm_cfg": norm_cfg, "act_cfg": act_cfg}
        rows = partial(basic_blocks, last_act_cfg=None, bias=True, norm_cfg=norm_cfg, act_cfg=act_cfg)
        former = partial(ConvFormerBlock, drop_path=drop_path, norm_cfg=norm_cfg)
        c1, c2, c4, c8 = (channels * factor for factor in (1, 2, 4, 8))
        self.stem = nn.Sequential(
            double_stem(in_channels, c1, **options),
            rows(c1, c1, blocks),
            make_activation(act_cfg, c1),
            rows(c1, c2, blocks, 2),
        )
        self.deep = nn.Sequential(
            make_activation(act_cfg, c2),
            rows(c2, c4, blocks, 2),
            make_activation(act_cfg, c4),
            former(c4),
            ConvNormAct(c4, c8, 3, stride=2, bias=True, **options),
            former(c8),
            make_activation(act_cfg, c8),
            former(c8),
        )
        self.context = ScalePyramid(c8, c2, c2, parallel=False, bias=True, **options)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the map at 1/8, and the same with the context of the deepest map appended."""
        fine = self.stem(x)
        context = resize_like(self.context(self.deep(fine)), fine, align_corners=False)
        return fine, torch.cat([fine, context], dim=1)
