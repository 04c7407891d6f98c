"""SeaFormer: squeeze-enhanced axial attention, of rows and of columns, in a MobileNet.

Paper: Wan et al., ICLR 2023, arXiv:2301.13156. Authors' code: github.com/fudan-zvg/SeaFormer (seaformer-seg/
mmseg/models/backbones/seaformer.py and decode_heads/light_head.py, commit 9718d05). With 19 classes
SeaFormer-T has 1.65 M parameters, SeaFormer-S 3.97 M and SeaFormer-B 8.58 M.

SeaFormer-T has no configuration for Cityscapes; its configuration for ADE20K is followed, with the dataset's
classes.
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
from lednet_mm.layers import Config, ConvNormAct, hard_sigmoid, resize_like
from lednet_mm.networks.heads import DecodeHead
from lednet_mm.networks.topformer import ConvTransformerBlock, drop_path_rates, mobile_blocks

PAPER = "arXiv:2301.13156"
REPOSITORY = "github.com/fudan-zvg/SeaFormer"
COMMIT = "9718d05"

CARDS = [
    Card(
        name="seaformer_t",
        title="SeaFormer-T",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        deviations=["Its authors have no configuration for Cityscapes; this is the one for ADE20K."],
        vectors={"seaformer_t": Vector()},
    ),
    Card(
        name="seaformer_s",
        title="SeaFormer-S",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        vectors={"seaformer_s": Vector()},
        published=["SeaFormer-S", "SeaFormer-S (half resolution)"],
    ),
    Card(
        name="seaformer_b",
        title="SeaFormer-B",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        vectors={"seaformer_b": Vector()},
        published=["SeaFormer-B", "SeaFormer-B (half resolution)"],
    ),
]

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}


class AxialAttention(nn.Module):
    """Attention among the mean rows and among the mean columns, multiplied by convolved details.

    Args:
        channels: number of channels of input and output.
        heads: number of attention heads.
        key_channels: number of channels of a head's queries and keys; its values have twice as many.
        positions: number of learned positions along an axis, which are resized to its length.
        norm_cfg: mmcv's normalisation config; None leaves it out.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        key_channels: int,
        positions: int = 16,
        *,
        norm_cfg: Config,
    ) -> None:
        super().__init__()
        self.heads = heads
        self.scale = key_channels**-0.5
        width, value_width = heads * key_channels, 2 * heads * key_channels
        unit = partial(ConvNormAct, norm_cfg=norm_cfg)
        self.query, self.key = unit(channels, width, 1), unit(channels, width, 1)
        self.value = unit(channels, value_width, 1)
        self.query_positions = nn.ParameterList(
            nn.Parameter(torch.randn(1, width, positions)) for _ in range(2)
        )
        self.key_positions = nn.ParameterList(
            nn.Parameter(torch.randn(1, width, positions)) for _ in range(2)
        )
        self.encode = nn.ModuleList(unit(value_width, value_width, 1) for _ in range(2))
        self.project = unit(value_width, channels, 1)
        self.detail = unit(2 * value_width, 2 * value_width, 3, groups=2 * value_width)
        self.detail_project = unit(2 * value_width, channels, 1)

    def _along(self, axis: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Return the encoded attention along an axis (0 is the height): (N, channels, H or 1, 1 or W)."""
        n = query.shape[0]
        query, key, value = (x.mean(dim=3 - axis) for x in (query, key, value))
        length = query.shape[2:]

        def placed(x: Tensor, positions: Tensor) -> Tensor:
            return x + F.interpolate(positions, size=length, mode="linear", align_corners=False)

        def by_head(x: Tensor) -> Tensor:  # (N, heads, length, channels of a head)
            return x.reshape(n, self.heads, -1, x.shape[2]).transpose(2, 3)

        query = by_head(placed(query, self.query_positions[axis]))
        key = by_head(placed(key, self.key_positions[axis]))
        weights = (query @ key.transpose(2, 3) * self.scale).softmax(dim=3)
        mixed = (weights @ by_head(value)).transpose(2, 3)
        joined = mixed.reshape(n, -1, value.shape[2]).unsqueeze(3 - axis)
        return self.encode[axis](F.relu6(joined))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.query(x), self.key(x), self.value(x)
        detail = self.detail_project(F.relu6(self.detail(torch.cat([query, key, value], dim=1))))
        axial = self._along(0, query, key, value) + self._along(1, query, key, value)
        return hard_sigmoid(self.project(F.relu6(value + axial))) * detail


@MODELS.register_module()
class SeaFormer(BaseModule):
    """SeaFormer without its head.

    Args:
        in_channels: number of channels of the image.
        widths: numbers of channels of the stages at 1/4, 1/8, 1/16, 1/32 and 1/64.
        expansion: expansion ratio of the block that goes from 1/16 to 1/32.
        depth: number of transformer blocks of each of the last two stages.
        heads: number of attention heads.
        key_channels: numbers of channels of a head's keys in the last two stages.
        mlp_ratios: ratios of the mlps' widths in the last two stages.
        drop_path: probability of leaving out a branch of a stage's last transformer block in training.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's config of the mobile blocks' activations.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, C, H/8, W/8), (N, D, H/32, W/32) and (N, E, H/64,
    W/64), each rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        widths: Sequence[int] = (32, 64, 128, 192, 256),
        expansion: int = 4,
        depth: int = 4,
        heads: int = 8,
        key_channels: Sequence[int] = (16, 24),
        mlp_ratios: Sequence[int] = (2, 4),
        drop_path: float = 0.1,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        c0, c1, c2, c3, c4 = widths
        options: dict = {"norm_cfg": norm_cfg, "act_cfg": act_cfg}
        self.stem = ConvNormAct(in_channels, 16, 3, stride=2, **options)

        def transformer(place: int, width: int) -> nn.Sequential:
            return nn.Sequential(
                *(
                    ConvTransformerBlock(
                        width,
                        AxialAttention(width, heads, key_channels[place], norm_cfg=norm_cfg),
                        mlp_ratio=mlp_ratios[place],
                        drop_path=rate,
                        norm_cfg=norm_cfg,
                    )
                    for rate in drop_path_rates(drop_path, depth)
                )
            )

        self.stages = nn.ModuleList(
            [
                mobile_blocks(16, [(3, 1, 16, 1), (3, 4, c0, 2), (3, 3, c0, 1)], **options),
                mobile_blocks(c0, [(5, 3, c1, 2), (5, 3, c1, 1)], **options),
                mobile_blocks(c1, [(3, 3, c2, 2), (3, 3, c2, 1)], **options),
                mobile_blocks(c2, [(5, expansion, c3, 2)], **options),
                mobile_blocks(c3, [(3, 6, c4, 2)], **options),
            ]
        )
        self.transformers = nn.ModuleList([transformer(0, c3), transformer(1, c4)])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the map at 1/8 and those of the transformers."""
        fine = self.stages[1](self.stages[0](self.stem(x)))
        middle = self.transformers[0](self.stages[3](self.stages[2](fine)))
        return fine, middle, self.transformers[1](self.stages[4](middle))


class GatedProjection(nn.Module):
    """Project a fine map and weight it by a gate from a deeper one.

    Args:
        in_channels: number of channels of the fine map.
        deep_channels: number of channels of the deeper map.
        channels: number of channels of the output.
        norm_cfg: mmcv's normalisation config; None leaves it out.

    Shapes: fine (N, in_channels, H, W), deep (N, deep_channels, h, w) -> (N, channels, H, W).
    """

    def __init__(self, in_channels: int, deep_channels: int, channels: int, *, norm_cfg: Config) -> None:
        super().__init__()
        self.local = ConvNormAct(in_channels, channels, 1, norm_cfg=norm_cfg)
        self.gate = ConvNormAct(deep_channels, channels, 1, norm_cfg=norm_cfg)

    def forward(self, fine: Tensor, deep: Tensor) -> Tensor:
        gate = hard_sigmoid(self.gate(deep))
        return self.local(fine) * resize_like(gate, fine, align_corners=False)


@MODELS.register_module()
class SeaFormerHead(DecodeHead):
    """SeaFormer's light head: the map at 1/8 is projected and weighted by the deeper ones in turn.

    Args:
        in_channels: numbers of channels of the maps.
        num_classes: number of classes, and so of channels of the logits.
        widths: numbers of channels after each projection; the last one is classified.
        dropout: probability of zeroing a channel before the classifier.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, C, h, w), (N, D, h/4, w/4), (N, E, h/8, w/8) -> logits (N, num_classes, h, w).
    """

    plain_classifier = True

    def __init__(
        self,
        in_channels: Sequence[int] = (64, 192, 256),
        *,
        num_classes: int,
        widths: Sequence[int] = (128, 160),
        dropout: float = 0.1,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = False,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        last = widths[-1]
        super().__init__(in_channels, last, num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs)
        inputs = (in_channels[0], *widths[:-1])
        self.fusions = nn.ModuleList(
            GatedProjection(before, deep, width, norm_cfg=norm_cfg)
            for before, deep, width in zip(inputs, in_channels[1:], widths, strict=True)
        )
        self.scale = ConvNormAct(last, last, 1, groups=last, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.drop = nn.Dropout2d(dropout)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at 1/8 of the image."""
        x, *deeper = self._transform_inputs(inputs)
        for fuse, deep in zip(self.fusions, deeper, strict=True):
            x = fuse(x, deep)
        return self.cls_seg(self.drop(self.scale(x)))
