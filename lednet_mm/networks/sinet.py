"""SINet: spatial squeeze modules and information blocking, for portraits.

Paper: Park et al., WACV 2020, arXiv:1911.09099. Authors' code: github.com/clovaai/ext_portrait_segmentation
(models/SINet.py, commit 9bc1bad). It was trained for two classes at 224x224. With 19 classes it has 0.094 M
parameters and 2.53 G multiply-adds at 512x1024.

* The gates of the downsampling are not limited: their linear layers end in a PReLU and no sigmoid.
* A branch's second normalisation follows its resizing.
* The authors' code takes multiples of 32 only. Here pooled maps count their last, smaller window, and maps
  are resized to the size of the one that they are added to, with the same result at every size that theirs
  accepts.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import (
    Config,
    ConvNormAct,
    NormAct,
    channel_shuffle,
    make_activation,
    make_norm,
    resize_like,
)
from lednet_mm.networks.heads import DecodeHead

CARD = Card(
    name="sinet",
    title="SINet",
    paper="arXiv:1911.09099",
    repository="github.com/clovaai/ext_portrait_segmentation",
    commit="9bc1bad",
    deviations=["It was made for portraits of two classes; here it has as many as the dataset."],
    vectors={"sinet": Vector()},
    published=["SINet (portraits)"],
)

BATCH_NORM = {"type": "BN", "eps": 1e-3}
PRELU = {"type": "PReLU"}
Branch = tuple[int, int]
"""Kernel size and pooling factor of one branch."""

STAGES = (
    (((3, 1), (5, 1)), ((3, 1), (3, 1))),
    (
        ((3, 1), (5, 1)),
        ((3, 1), (3, 1)),
        ((5, 1), (3, 2)),
        ((5, 2), (3, 4)),
        ((3, 1), (3, 1)),
        ((5, 1), (5, 1)),
        ((3, 2), (3, 4)),
        ((3, 1), (5, 2)),
    ),
)
"""The two branches of every block at 1/4 and at 1/8."""


class SqueezeDownsample(nn.Module):
    """Halve the resolution: a strided depth-wise convolution, a gate for each channel, a 1x1 convolution.

    Args:
        in_channels: number of channels of the input map.
        out_channels: number of channels of the output map.
        reduction: factor by which the gate's bottleneck narrows; 1 leaves the bottleneck out.
        gate: whether the channels are scaled by the gate.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config, also of the gate's linear layers.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, ceil(H/2), ceil(W/2)).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        reduction: int,
        *,
        gate: bool,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        self.depth = nn.Conv2d(in_channels, in_channels, 3, 2, 1, groups=in_channels, bias=False)
        self.gate = None
        if gate:
            width = in_channels // reduction
            widths = [in_channels, in_channels] if reduction == 1 else [in_channels, width, in_channels]
            layers: list[nn.Module] = []
            for inputs, outputs in pairwise(widths):
                layers += [nn.Linear(inputs, outputs), make_activation(act_cfg, outputs)]
            self.gate = nn.Sequential(*layers)
        self.point = ConvNormAct(in_channels, out_channels, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)

    def forward(self, x: Tensor) -> Tensor:
        x = self.depth(x)
        if self.gate is not None:
            x = x * self.gate(x.mean(dim=(2, 3)))[:, :, None, None]
        return self.point(x)


class SqueezedBranch(nn.Module):
    """Pool a map, convolve it by a separable convolution, and resize it back.

    Args:
        channels: number of channels of input and output.
        kernel_size: kernel size of the depth-wise convolution.
        pool: factor by which average pooling shrinks the map; 1 leaves pooling and resizing out.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(
        self, channels: int, kernel_size: int, pool: int, *, norm_cfg: Config, act_cfg: Config
    ) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(pool, pool, ceil_mode=True) if pool > 1 else nn.Identity()
        self.resized = pool > 1
        self.depth = ConvNormAct(
            channels, channels, kernel_size, groups=channels, norm_cfg=norm_cfg, act_cfg=act_cfg
        )
        self.point = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm = make_norm(norm_cfg, channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.point(self.depth(self.pool(x)))
        return self.norm(resize_like(y, x, align_corners=True) if self.resized else y)


class SpatialSqueezeBlock(nn.Module):
    """S2 block: a grouped 1x1 convolution with shuffle, then two branches of different reach, concatenated.

    Args:
        in_channels: number of channels of the input map, even.
        out_channels: number of channels of the output map, a multiple of 4.
        branches: kernel size and pooling factor of each of the two branches.
        residual: whether the input is added to the result.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, H, W).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        branches: Sequence[Branch],
        *,
        residual: bool,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        width = out_channels // len(branches)
        self.residual = residual
        self.reduce = nn.Conv2d(in_channels, width, 1, groups=2, bias=False)
        self.branches = nn.ModuleList(
            SqueezedBranch(width, kernel_size, pool, norm_cfg=norm_cfg, act_cfg=act_cfg)
            for kernel_size, pool in branches
        )
        self.norm_act = NormAct(out_channels, norm_cfg, act_cfg)

    def forward(self, x: Tensor) -> Tensor:
        reduced = channel_shuffle(self.reduce(x), 2)
        y = torch.cat([branch(reduced) for branch in self.branches], dim=1)
        return self.norm_act(x + y if self.residual else y)


@MODELS.register_module()
class SINet(BaseModule):
    """SINet's encoder without its classifier.

    Args:
        in_channels: number of channels of the image.
        stem_channels: number of channels at 1/2.
        entry_channels: numbers of channels that the downsamplings to 1/4 and to 1/8 make.
        channels: numbers of channels of the blocks at 1/4 and at 1/8.
        branches: kernel size and pooling factor of the two branches of every block, at 1/4 and at 1/8.
        reductions: factors by which the gates' bottlenecks narrow, at 1/4 and at 1/8.
        gates: whether the downsamplings scale their channels.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config; a PReLU has one slope per channel.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default, as the authors do.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 48, H/4, W/4), (N, 144, H/8, W/8), each rounded up. The
    last is the downsampled map and the blocks' result, concatenated.
    """

    def __init__(
        self,
        in_channels: int = 3,
        stem_channels: int = 12,
        entry_channels: Sequence[int] = (16, 48),
        channels: Sequence[int] = (48, 96),
        branches: Sequence[Sequence[Sequence[Branch]]] = STAGES,
        reductions: Sequence[int] = (1, 2),
        gates: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = PRELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        options: dict = {"norm_cfg": norm_cfg, "act_cfg": act_cfg}
        self.stem = ConvNormAct(in_channels, stem_channels, 3, stride=2, **options)
        self.downs = nn.ModuleList()
        self.stages = nn.ModuleList()
        self.merges = nn.ModuleList()
        width = stem_channels
        for entry, outputs, rows, reduction in zip(
            entry_channels, channels, branches, reductions, strict=True
        ):
            self.downs.append(SqueezeDownsample(width, entry, reduction, gate=gates, **options))
            first = SpatialSqueezeBlock(entry, outputs, rows[0], residual=False, **options)
            others = [
                SpatialSqueezeBlock(outputs, outputs, pair, residual=True, **options) for pair in rows[1:]
            ]
            self.stages.append(nn.Sequential(first, *others))
            width = entry + outputs
            self.merges.append(NormAct(width, **options))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the blocks' map at 1/4, and the map at 1/8 that is classified."""
        merged = self.stem(x)
        maps = []
        for down, stage, merge in zip(self.downs, self.stages, self.merges, strict=True):
            entry = down(merged)
            maps.append(stage(entry))
            merged = merge(torch.cat([entry, maps[-1]], dim=1))
        return (*maps[:-1], merged)


@MODELS.register_module()
class SINetHead(DecodeHead):
    """SINet's decoder with information blocking: fine maps count where the coarse prediction is unsure.

    Args:
        in_channels: numbers of channels of the map at 1/4 and of that at 1/8.
        num_classes: number of classes, and so of channels of the logits.
        blocking: whether the fine map is scaled by the uncertainty of the coarse prediction, which is 1 minus
            the probability of its most likely class; False adds it as it is.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.
        align_corners: whether every resizing aligns corners.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, 48, H, W) and (N, 144, h, w) -> logits (N, num_classes, 4H, 4W).
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (48, 144),
        *,
        num_classes: int,
        blocking: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = PRELU,
        align_corners: bool = True,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        fine, deep = in_channels
        super().__init__(in_channels, deep, num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs)
        self.blocking = blocking
        self.coarse = nn.Conv2d(deep, num_classes, 1, bias=False)
        self.coarse_norm = make_norm(norm_cfg, num_classes)
        self.fine = ConvNormAct(fine, num_classes, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.sum_norm = make_norm(norm_cfg, num_classes)
        self.classifier = nn.Conv2d(num_classes, num_classes, 3, padding=1, bias=False)

    def _doubled(self, x: Tensor) -> Tensor:
        size = (2 * x.shape[2], 2 * x.shape[3])
        return F.interpolate(x, size=size, mode="bilinear", align_corners=self.align_corners)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at four times the resolution of the first map."""
        fine, deep = self._transform_inputs(inputs)
        coarse = self.coarse_norm(resize_like(self.coarse(deep), fine, self.align_corners))
        details = self.fine(fine)
        if self.blocking:
            details = details * (1 - coarse.softmax(dim=1).amax(dim=1, keepdim=True))
        return self.classifier(self._doubled(self.sum_norm(self._doubled(details + coarse))))
