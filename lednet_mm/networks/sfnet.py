"""SFNet: feature pyramids whose coarse maps are warped onto the finer ones by a learned flow.

Papers: Li et al., ECCV 2020, arXiv:2002.10120, and Li et al., IJCV 2024, arXiv:2207.04415 (SFNet-Lite).
    Authors'
code: github.com/lxtGH/SFSegNets (network/sfnet_resnet.py, resnet_d.py, sfnet_dfnet.py, dfnet.py and
nn/operators.py, commit ba475ba). With 19 classes the network with ResNet-18 has 12.9 M parameters, SFNet-Lite
with it 12.1 M, and those with DFNetV1 and V2 8.42 M and 17.9 M.

SFNet-Lite's code builds a supervision head and a lateral layer that it does not use; here neither is built.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import (
    Config,
    ConvNormAct,
    basic_blocks,
    pyramid_pool,
    resize_like,
)
from lednet_mm.networks.heads import DecodeHead

REPOSITORY = "github.com/lxtGH/SFSegNets"
COMMIT = "ba475ba"

CARDS = [
    Card(
        name="sfnet_r18",
        title="SFNet with ResNet-18",
        paper="arXiv:2002.10120",
        repository=REPOSITORY,
        commit=COMMIT,
        vectors={"sfnet_r18": Vector()},
        published=["SFNet (ResNet-18)"],
    ),
    Card(
        name="sfnet_lite_r18",
        title="SFNet-Lite with ResNet-18",
        paper="arXiv:2207.04415",
        repository=REPOSITORY,
        commit=COMMIT,
        vectors={"sfnet_lite_r18": Vector()},
        published=["SFNet-Lite (ResNet-18)"],
    ),
    Card(
        name="sfnet_dfv1",
        title="SFNet with DFNetV1",
        paper="arXiv:2002.10120",
        repository=REPOSITORY,
        commit=COMMIT,
        vectors={"sfnet_dfv1": Vector()},
        published=["SFNet (DFNetV1)"],
    ),
    Card(
        name="sfnet_dfv2",
        title="SFNet with DFNetV2",
        paper="arXiv:2002.10120",
        repository=REPOSITORY,
        commit=COMMIT,
        vectors={"sfnet_dfv2": Vector()},
        published=["SFNet (DFNetV2)"],
    ),
]

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}


@MODELS.register_module()
class DeepStemResNet18(BaseModule):
    """ResNet-18 that begins with three 3x3 convolutions; its last two stages are dilated as well as strided.

    Args:
        in_channels: number of channels of the image.
        stem_channels: numbers of channels of the first convolutions.
        channels: numbers of channels of the stages.
        dilations: dilation rates of the second convolution of every block of the stages.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 64, H/4, W/4), (N, 128, H/8, W/8), (N, 256, H/16, W/16)
    and (N, 512, H/32, W/32), each rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        stem_channels: Sequence[int] = (64, 64, 128),
        channels: Sequence[int] = (64, 128, 256, 512),
        dilations: Sequence[int] = (1, 1, 2, 4),
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        unit = partial(ConvNormAct, norm_cfg=norm_cfg, act_cfg=act_cfg)
        first, second, third = stem_channels
        self.stem = nn.Sequential(
            unit(in_channels, first, 3, stride=2),
            unit(first, second, 3),
            unit(second, third, 3),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        inputs = (third, *channels[:-1])
        self.stages = nn.ModuleList(
            basic_blocks(
                before,
                width,
                2,
                2 if i else 1,
                dilation=dilations[i],
                norm_cfg=norm_cfg,
                act_cfg=act_cfg,
            )
            for i, (before, width) in enumerate(zip(inputs, channels, strict=True))
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps of all stages."""
        x = self.stem(x)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return tuple(maps)


DFNET_V1 = ((64, 3, 2), (128, 3, 2), (256, 3, 2), (512, 1, 1))
"""Width, number of blocks and stride of the first one of DFNetV1's stages."""


@MODELS.register_module()
class DFNet(BaseModule):
    """DFNet: two strided convolutions and stages of residual blocks (Li et al., arXiv:1903.03777).

    Args:
        in_channels: number of channels of the image.
        stem_channels: numbers of channels of the convolutions.
        stages: width, number of blocks and stride of the first one, of each stage.
        out_indices: indices of the stages whose maps are returned.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> the chosen stages' maps, each at 1/4 divided by the strides so
    far, rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        stem_channels: Sequence[int] = (32, 64),
        stages: Sequence[Sequence[int]] = DFNET_V1,
        out_indices: Sequence[int] = (1, 2, 3),
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        self.out_indices = tuple(out_indices)
        unit = partial(ConvNormAct, stride=2, norm_cfg=norm_cfg, act_cfg=act_cfg)
        first, second = stem_channels
        self.stem = nn.Sequential(unit(in_channels, first, 3), unit(first, second, 3))
        self.stages = nn.ModuleList()
        inputs = second
        for width, count, stride in stages:
            self.stages.append(basic_blocks(inputs, width, count, stride, norm_cfg=norm_cfg, act_cfg=act_cfg))
            inputs = width

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps of the chosen stages."""
        x = self.stem(x)
        maps = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in self.out_indices:
                maps.append(x)
        return tuple(maps)


def warp(x: Tensor, flow: Tensor) -> Tensor:
    """Sample a map at the points of a finer grid, each moved by a flow; zero outside.

    Args:
        x: map (N, C, h, w).
        flow: (N, 2, H, W), to the right and downwards, in units of half the finer grid's size.

    Returns:
        (N, C, H, W).
    """
    height, width = flow.shape[2:]
    made: Any = {"dtype": flow.dtype, "device": flow.device}
    columns = torch.linspace(-1, 1, width, **made).reshape(1, 1, -1, 1)
    rows = torch.linspace(-1, 1, height, **made).reshape(1, -1, 1, 1)
    right, down = flow.permute(0, 2, 3, 1).split(1, dim=3)
    points = torch.cat([columns + right / width, rows + down / height], dim=3)
    return F.grid_sample(x, points, align_corners=True)


class PooledContext(nn.Module):
    """Pyramid pooling over grids, each average with a convolution of its own, and a convolution of all.

    Args:
        in_channels: number of channels of the input.
        channels: number of channels of each average and of the output.
        bins: numbers of bins per side of the grids.
        dropout: probability of zeroing a channel of the output.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's config of the last activation.

    Shapes: (N, in_channels, H, W) -> (N, channels, H, W).
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        bins: Sequence[int] = (1, 2, 3, 6),
        *,
        dropout: float,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        self.bins = tuple(bins)
        self.branches = nn.ModuleList(ConvNormAct(in_channels, channels, 1, norm_cfg=norm_cfg) for _ in bins)
        self.join = ConvNormAct(
            in_channels + len(bins) * channels, channels, 1, norm_cfg=norm_cfg, act_cfg=act_cfg
        )
        self.drop = nn.Dropout2d(dropout)

    def forward(self, x: Tensor) -> Tensor:
        pooled = pyramid_pool(x, self.bins, self.branches, align_corners=True)
        return self.drop(self.join(torch.cat([*pooled, x], dim=1)))


class FlowAlignment(nn.Module):
    """Warp a coarse map onto a finer one by the flow between them.

    Args:
        channels: number of channels of both maps.

    Shapes: coarse (N, channels, h, w), fine (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.coarse = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.fine = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.flow = nn.Conv2d(channels, 2, 3, padding=1, bias=False)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        enlarged = resize_like(self.coarse(coarse), fine, align_corners=True)
        return warp(coarse, self.flow(torch.cat([enlarged, self.fine(fine)], dim=1)))


class GatedAlignment(nn.Module):
    """SFNet-Lite's alignment: warp both maps, each by a flow of its own, and mix them by a gate.

    Args:
        channels: number of channels of both maps.

    Shapes: coarse (N, channels, h, w), fine (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.coarse = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.fine = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.flows = nn.Conv2d(channels, 4, 3, padding=1, bias=False)
        self.gate = nn.Conv2d(4, 1, 3, padding=1, bias=False)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        enlarged = resize_like(self.coarse(coarse), fine, align_corners=True)
        flows = self.flows(torch.cat([enlarged, self.fine(fine)], dim=1))
        of_coarse, of_fine = flows.split(2, dim=1)
        means = [x.mean(dim=1, keepdim=True) for x in (enlarged, fine)]
        largest = [x.amax(dim=1, keepdim=True) for x in (enlarged, fine)]
        gate = self.gate(torch.cat([*means, *largest], dim=1)).sigmoid()
        return warp(coarse, of_coarse) * gate + warp(fine, of_fine) * (1 - gate)


@MODELS.register_module()
class SFNetHead(DecodeHead):
    """SFNet's decoder: from the pooled context down to the finest map, each step by a learned flow.

    Args:
        in_channels: numbers of channels of the maps, the finest first.
        num_classes: number of classes, and so of channels of the logits.
        channels: number of channels of all maps of the decoder.
        alignment: whether coarse maps are warped by flows; False resizes them.
        dropout: probability of zeroing a channel of the context.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.
        align_corners: whether every bilinear resizing aligns the corners of the two maps.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, C, h, w), (N, D, h/2, w/2) ... -> logits (N, num_classes, h, w).
    """

    plain_classifier = True

    def __init__(
        self,
        in_channels: Sequence[int] = (64, 128, 256, 512),
        *,
        num_classes: int,
        channels: int = 128,
        alignment: bool = True,
        dropout: float = 0.1,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = True,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        super().__init__(
            in_channels, channels, num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs
        )
        unit = partial(ConvNormAct, norm_cfg=norm_cfg, act_cfg=act_cfg)
        *fine, deep = in_channels
        self.context = PooledContext(deep, channels, dropout=dropout, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.laterals = nn.ModuleList(unit(width, channels, 1, bias=True) for width in fine)
        self.alignments = nn.ModuleList(FlowAlignment(channels) for _ in fine if alignment)
        self.outputs = nn.ModuleList(unit(channels, channels, 3) for _ in fine)
        self.fuse = unit(len(in_channels) * channels, channels, 3)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at the resolution of the finest map."""
        *fine, deep = self._transform_inputs(inputs)
        x = self.context(deep)
        results = [x]
        for i in reversed(range(len(fine))):
            lateral = self.laterals[i](fine[i])
            coarse = (
                self.alignments[i](x, lateral)
                if self.alignments
                else resize_like(x, lateral, self.align_corners)
            )
            x = lateral + coarse
            results.append(self.outputs[i](x))
        finest, *others = results[::-1]
        others = [resize_like(other, finest, self.align_corners) for other in others]
        return self.cls_seg(self.fuse(torch.cat([finest, *others], dim=1)))


@MODELS.register_module()
class SFNetLiteHead(DecodeHead):
    """SFNet-Lite's decoder: the pooled context is aligned with the finest map in a single, gated step.

    Args:
        in_channels: numbers of channels of the maps at 1/4, 1/16 and 1/32.
        num_classes: number of classes, and so of channels of the logits.
        channels: number of channels of all maps of the decoder.
        in_index: indices of the three maps.
        dropout: probability of zeroing a channel of the context.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.
        align_corners: whether every bilinear resizing aligns the corners of the two maps.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, C, h, w), (N, D, h/4, w/4) and (N, E, h/8, w/8) -> logits (N, num_classes, h, w).
    """

    plain_classifier = True

    def __init__(
        self,
        in_channels: Sequence[int] = (64, 256, 512),
        *,
        num_classes: int,
        channels: int = 128,
        in_index: Sequence[int] = (0, 2, 3),
        dropout: float = 0.1,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = True,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        super().__init__(
            in_channels,
            channels,
            num_classes,
            norm_cfg,
            act_cfg,
            align_corners,
            init_cfg,
            in_index,
            **kwargs,
        )
        unit = partial(ConvNormAct, norm_cfg=norm_cfg, act_cfg=act_cfg)
        fine, middle, deep = in_channels
        self.context = PooledContext(deep, channels, dropout=dropout, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.fine = unit(fine, channels, 1, bias=True)
        self.middle = unit(middle, channels, 1, bias=True)
        self.alignment = GatedAlignment(channels)
        self.fuse = unit(2 * channels, channels, 3)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at 1/4 of the image."""
        fine, middle, deep = self._transform_inputs(inputs)
        x = self.alignment(self.context(deep), self.fine(fine))
        middle = resize_like(self.middle(middle), x, self.align_corners)
        return self.cls_seg(self.fuse(torch.cat([x, middle], dim=1)))
