"""CABiNet: MobileNetV3 with context aggregation beside a shallow spatial branch.

Paper: Kumaar et al., ICRA 2021, arXiv:2011.00993. Code of one of its authors: github.com/dronefreak/CABiNet
(src/models, commit 331e58f), rewritten since the paper. With 19 classes the large one has 9.18 M parameters
and the small one 5.37 M; the code builds a classifier of 1.25 M or 0.61 M more that it does not use.
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
from lednet_mm.layers import Config, ConvNormAct, adaptive_average_pool, resize_like
from lednet_mm.networks.heads import ConvHead
from lednet_mm.networks.mobilenetv3 import BLOCKS, MobileNetV3

PAPER = "arXiv:2011.00993"
REPOSITORY = "github.com/dronefreak/CABiNet"
COMMIT = "331e58f"
REWRITTEN = "The code was rewritten after the paper; it is not proven that it is still the paper's network."

CARDS = [
    Card(
        name="cabinet_large",
        title="CABiNet, large",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        deviations=[REWRITTEN],
        vectors={"cabinet_large": Vector()},
        published=["CABiNet"],
    ),
    Card(
        name="cabinet_small",
        title="CABiNet, small",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        deviations=[REWRITTEN],
        vectors={"cabinet_small": Vector()},
    ),
]

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}


class PooledTokens(nn.Module):
    """A map joined with its averages over grids, and projected.

    Args:
        channels: number of channels of input and output.
        bins: numbers of bins per side of the grids.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(self, channels: int, bins: Sequence[int] = (1, 3, 6, 8)) -> None:
        super().__init__()
        self.bins = tuple(bins)
        self.project = nn.Conv2d((len(bins) + 1) * channels, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        pooled = (adaptive_average_pool(x, (count, count)) for count in self.bins)
        return self.project(torch.cat([x, *(resize_like(p, x, align_corners=False) for p in pooled)], dim=1))


class GlobalAttention(nn.Module):
    """Attention among all positions; keys and values contain averages of several scales.

    Args:
        channels: number of channels of input and output.
        width: number of channels of queries, keys and values.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's config of the activation of queries and keys.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(self, channels: int, width: int, *, norm_cfg: Config, act_cfg: Config) -> None:
        super().__init__()
        self.query = ConvNormAct(channels, width, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.key = ConvNormAct(channels, width, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.value = nn.Conv2d(channels, width, 1, bias=False)
        self.pooled_key = PooledTokens(width)
        self.pooled_value = PooledTokens(width)
        self.project = nn.Conv2d(width, channels, 1, bias=False)
        nn.init.zeros_(self.project.weight)

    def forward(self, x: Tensor) -> Tensor:
        query = self.query(x).flatten(2).transpose(1, 2)  # (N, positions, width)
        key = self.pooled_key(self.key(x)).flatten(2)  # (N, width, positions)
        value = self.pooled_value(self.value(x)).flatten(2).transpose(1, 2)
        weights = (query @ key * key.shape[1] ** -0.5).softmax(dim=2)
        mixed = (weights @ value).transpose(1, 2)
        return self.project(mixed.reshape(x.shape[0], -1, x.shape[2], x.shape[3]))


class ContextAggregation(nn.Module):
    """Global attention, scaled by a learned number that begins at 0, and local attention, added up.

    Args:
        channels: number of channels of input and output.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(self, channels: int, *, norm_cfg: Config, act_cfg: Config) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1))
        self.attention = GlobalAttention(channels, channels // 2, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.local = nn.Sequential(
            *(
                ConvNormAct(channels, channels, 3, groups=channels, norm_cfg=norm_cfg, act_cfg=act_cfg)
                for _ in range(3)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.gamma * self.attention(x) + x + x * self.local(x).sigmoid()


class GatedFusion(nn.Module):
    """Join a fine and a context map; a residual weights the channels of the result.

    Args:
        in_channels: number of channels of both maps together.
        channels: number of channels of the output.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: fine (N, C, H, W), context (N, D, h, w) -> (N, channels, H, W).
    """

    def __init__(self, in_channels: int, channels: int, *, norm_cfg: Config, act_cfg: Config) -> None:
        super().__init__()
        self.join = ConvNormAct(in_channels, channels, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.squeeze = nn.Conv2d(channels, channels // 4, 1, bias=False)
        self.excite = nn.Conv2d(channels // 4, channels, 1, bias=False)

    def forward(self, fine: Tensor, context: Tensor) -> Tensor:
        x = self.join(torch.cat([fine, resize_like(context, fine, align_corners=False)], dim=1))
        weights = self.excite(F.relu(self.squeeze(F.adaptive_avg_pool2d(x, 1))))
        return x + x * weights.sigmoid()


@MODELS.register_module()
class CABiNet(BaseModule):
    """CABiNet without its classifiers.

    Args:
        in_channels: number of channels of the image.
        size: size of its MobileNetV3, ``large`` or ``small``.
        channels: number of channels of the context and of the fused map.
        spatial_channels: numbers of channels of the spatial branch's 3x3 convolutions and of its result.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's config of the activations outside the MobileNetV3.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, channels, H/8, W/8), and for the auxiliary head
    (N, channels + deepest map's, H/32, W/32), each rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        size: str = "large",
        channels: int = 256,
        spatial_channels: Sequence[int] = (64, 128),
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        unit = partial(ConvNormAct, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.mobile = MobileNetV3(
            in_channels, size, linear_excitation=True, excitation_first=True, norm_cfg=norm_cfg
        )
        self.reduce = unit(6 * BLOCKS[size][-1][2], channels, 3)
        self.context = ContextAggregation(channels, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.low = nn.Conv2d(channels, channels, 1)
        width, outputs = spatial_channels
        self.spatial = nn.Sequential(
            unit(in_channels, width, 7, stride=2),
            unit(width, width, 3, stride=2),
            unit(width, width, 3, stride=2),
            unit(width, outputs, 1),
        )
        self.fuse = GatedFusion(outputs + channels, channels, norm_cfg=norm_cfg, act_cfg=act_cfg)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the fused map, and the deepest one joined with its context."""
        (deep,) = self.mobile(x)
        context = self.context(self.reduce(deep))
        fused = self.fuse(self.spatial(x), self.low(context))
        return fused, torch.cat([deep, context], dim=1)


@MODELS.register_module()
class EnlargedConvHead(ConvHead):
    """A :class:`ConvHead` whose logits are resized to the first map's size."""

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at the resolution of the first map."""
        return resize_like(super().forward(inputs), inputs[0], self.align_corners)
