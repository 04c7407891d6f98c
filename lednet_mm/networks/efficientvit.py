"""EfficientViT-Seg: multi-scale linear attention in a MobileNet, and a head of summed maps.

Paper: Cai et al., ICCV 2023, arXiv:2205.14756. Authors' code: github.com/mit-han-lab/efficientvit (models/
efficientvit/seg.py, backbone.py and models/nn/ops.py, commit de7d773). With 19 classes B0 has 0.71 M
parameters and B1 4.80 M.

The authors' code accepts only heights and widths that are multiples of 32. Here every map is resized to the
one that it meets, with the same result at every size that theirs accepts. Their evaluation resizes the logits
by bicubic interpolation; here they are resized bilinearly, like all others'.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import Config, ConvNormAct
from lednet_mm.networks.heads import DecodeHead

PAPER = "arXiv:2205.14756"
REPOSITORY = "github.com/mit-han-lab/efficientvit"
COMMIT = "de7d773"
BILINEAR = "The logits are resized to the image bilinearly; the authors' evaluation does so bicubically."

CARDS = [
    Card(
        name="efficientvit_seg_b0",
        title="EfficientViT-Seg-B0",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        deviations=[BILINEAR],
        vectors={"efficientvit_seg_b0": Vector()},
        published=["EfficientViT-Seg-B0"],
    ),
    Card(
        name="efficientvit_seg_b1",
        title="EfficientViT-Seg-B1",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        deviations=[BILINEAR],
        vectors={"efficientvit_seg_b1": Vector()},
        published=["EfficientViT-Seg-B1"],
    ),
]

BATCH_NORM = {"type": "BN"}
HARD_SWISH = {"type": "HSwish"}


class MobileConv(nn.Module):
    """MobileNetV2's block with a hard swish, or its form with a normalisation at the end alone.

    Args:
        in_channels: number of channels of the input.
        out_channels: number of channels of the output.
        stride: stride of the depth-wise convolution.
        expansion: ratio of the depth-wise convolution's width to ``in_channels``; 1 leaves out the first 1x1
            convolution.
        residual: whether the input is added.
        fewer_norms: whether all convolutions but the last have a bias instead of a normalisation.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        expansion: int = 4,
        *,
        residual: bool = False,
        fewer_norms: bool = False,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        width = expansion * in_channels
        inner: dict = {
            "bias": fewer_norms,
            "norm_cfg": None if fewer_norms else norm_cfg,
            "act_cfg": act_cfg,
        }
        self.residual = residual
        self.expand = ConvNormAct(in_channels, width, 1, **inner) if expansion > 1 else nn.Identity()
        self.depth = ConvNormAct(width, width, 3, stride=stride, groups=width, **inner)
        self.project = ConvNormAct(width, out_channels, 1, norm_cfg=norm_cfg)

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depth(self.expand(x)))
        return x + y if self.residual else y


class LinearAttention(nn.Module):
    """Attention with rectified queries and keys, of the map and of its 5x5 neighbourhoods.

    Keys and values are multiplied first, so that the cost grows linearly with the area.

    Args:
        channels: number of channels of input and output, a multiple of ``head_channels``.
        head_channels: number of channels of a head's queries, keys and values each.
        norm_cfg: mmcv's normalisation config; None leaves it out.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(self, channels: int, head_channels: int = 16, *, norm_cfg: Config) -> None:
        super().__init__()
        self.head_channels = head_channels
        width = 3 * channels
        self.qkv = nn.Conv2d(channels, width, 1, bias=False)
        self.neighbours = nn.Sequential(
            nn.Conv2d(width, width, 5, padding=2, groups=width, bias=False),
            nn.Conv2d(width, width, 1, groups=width // head_channels, bias=False),
        )
        self.project = ConvNormAct(2 * channels, channels, 1, norm_cfg=norm_cfg)

    def forward(self, x: Tensor) -> Tensor:
        n, channels, height, width = x.shape
        qkv = self.qkv(x)
        both = torch.cat([qkv, self.neighbours(qkv)], dim=1)
        heads = 2 * channels // self.head_channels
        query, key, value = both.reshape(n, heads, 3 * self.head_channels, height * width).chunk(3, dim=2)
        query, key = F.relu(query), F.relu(key)
        value = F.pad(value, (0, 0, 0, 1), value=1.0)  # its last row sums up the weights
        mixed = (value @ key.transpose(2, 3)) @ query
        shares = mixed[:, :, :-1] / (mixed[:, :, -1:] + 1e-15)
        return x + self.project(shares.reshape(n, 2 * channels, height, width))


@MODELS.register_module()
class EfficientViT(BaseModule):
    """EfficientViT without its head.

    Args:
        in_channels: number of channels of the image.
        widths: numbers of channels at 1/2, 1/4, 1/8, 1/16 and 1/32.
        depths: numbers of blocks there; at 1/16 and 1/32, one more block changes the size.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, C, H/2, W/2) to (N, D, H/32, W/32), each rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        widths: Sequence[int] = (8, 16, 32, 64, 128),
        depths: Sequence[int] = (1, 2, 2, 2, 2),
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = HARD_SWISH,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        options: dict = {"norm_cfg": norm_cfg, "act_cfg": act_cfg}
        first = widths[0]
        self.stages = nn.ModuleList(
            [
                nn.Sequential(
                    ConvNormAct(in_channels, first, 3, stride=2, **options),
                    *(
                        MobileConv(first, first, expansion=1, residual=True, **options)
                        for _ in range(depths[0])
                    ),
                )
            ]
        )
        for i in (1, 2):
            width = widths[i]
            self.stages.append(
                nn.Sequential(
                    MobileConv(widths[i - 1], width, 2, **options),
                    *(MobileConv(width, width, residual=True, **options) for _ in range(depths[i] - 1)),
                )
            )
        for i in (3, 4):
            width = widths[i]
            blocks: list[nn.Module] = [MobileConv(widths[i - 1], width, 2, fewer_norms=True, **options)]
            for _ in range(depths[i]):
                blocks.append(
                    nn.Sequential(
                        LinearAttention(width, norm_cfg=norm_cfg),
                        MobileConv(width, width, residual=True, fewer_norms=True, **options),
                    )
                )
            self.stages.append(nn.Sequential(*blocks))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps of all stages."""
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return tuple(maps)


@MODELS.register_module()
class EfficientViTHead(DecodeHead):
    """EfficientViT-Seg's head: the sum of three projected maps, mobile blocks and a wide classifier.

    Args:
        in_channels: numbers of channels of the maps at 1/8, 1/16 and 1/32.
        num_classes: number of classes, and so of channels of the logits.
        width: number of channels of the sum.
        depth: number of mobile blocks.
        expansion: ratio of the classified map's width to ``width``.
        in_index: indices of the maps.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, C, h, w), (N, D, h/2, w/2) and (N, E, h/4, w/4) -> logits (N, num_classes, h, w).
    """

    plain_classifier = True

    def __init__(
        self,
        in_channels: Sequence[int] = (32, 64, 128),
        *,
        num_classes: int,
        width: int = 32,
        depth: int = 1,
        expansion: int = 4,
        in_index: Sequence[int] = (2, 3, 4),
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = HARD_SWISH,
        align_corners: bool = False,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        super().__init__(
            in_channels,
            expansion * width,
            num_classes,
            norm_cfg,
            act_cfg,
            align_corners,
            init_cfg,
            in_index,
            **kwargs,
        )
        options: dict = {"norm_cfg": norm_cfg, "act_cfg": act_cfg}
        self.inputs = nn.ModuleList(
            ConvNormAct(channels, width, 1, norm_cfg=norm_cfg) for channels in in_channels
        )
        self.middle = nn.Sequential(
            *(MobileConv(width, width, residual=True, **options) for _ in range(depth))
        )
        self.widen = ConvNormAct(width, expansion * width, 1, **options)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at 1/8 of the image."""
        fine, *deeper = (
            project(x) for project, x in zip(self.inputs, self._transform_inputs(inputs), strict=True)
        )
        size = fine.shape[2:]
        for deep in deeper:
            fine = fine + F.interpolate(deep, size=size, mode="bicubic", align_corners=False)
        return self.cls_seg(self.widen(self.middle(fine)))
