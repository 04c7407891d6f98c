"""LiteSeg: a novel lightweight ConvNet for semantic segmentation.

Paper: Emara et al., DICTA 2019, arXiv:1912.06683. Authors' code: github.com/tahaemara/LiteSeg. The code
reproduced here, with outputs proven equal, is a **third party's re-implementation**,
github.com/zh320/realtime-semantic-segmentation-pytorch (commit c77b1b6), not the authors' code. With 19
classes and MobileNetV2 it has 4.29 M parameters (the paper says 4.38 M). Both codes accept every size.

The trunk is MMSegmentation's ``MobileNetV2`` with ``out_indices=(2, 6)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import Config, ConvNormAct, resize_like
from lednet_mm.networks.heads import DecodeHead
from lednet_mm.networks.repositories import THIRD_PARTY, ZH320, ZH320_COMMIT

CARD = Card(
    name="zh320_liteseg",
    title="LiteSeg with MobileNetV2 (re-implementation by zh320)",
    paper="arXiv:1912.06683",
    repository=ZH320,
    commit=ZH320_COMMIT,
    deviations=[THIRD_PARTY, "It has 4.29 M parameters; the paper says 4.38 M."],
    vectors={"zh320_liteseg": Vector()},
)

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}


class DeeperASPP(nn.Module):
    """The paper's DASPP: parallel dilated convolutions and a global mean, joined with their own input.

    Args:
        in_channels: number of channels of the input.
        channels: number of channels of each branch.
        out_channels: number of channels of the output.
        dilations: dilation rates of the 3x3 convolutions, which run beside a 1x1 convolution.
        global_pooling: whether one branch is the global mean.
        short_residual: whether the input itself is joined to the branches.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, in_channels, h, w) -> (N, out_channels, h, w).
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        out_channels: int,
        dilations: Sequence[int],
        *,
        global_pooling: bool,
        short_residual: bool,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        self.short_residual = short_residual
        unit = partial(ConvNormAct, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.branches = nn.ModuleList(
            [
                unit(in_channels, channels, 1),
                *[unit(in_channels, channels, 3, dilation=dilation) for dilation in dilations],
            ]
        )
        self.pooled = nn.Conv2d(in_channels, channels, 1, bias=False) if global_pooling else None
        joined = (len(self.branches) + global_pooling) * channels + short_residual * in_channels
        self.join = unit(joined, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        maps = [x] if self.short_residual else []
        maps += [branch(x) for branch in self.branches]
        if self.pooled is not None:
            mean = self.pooled(x.mean(dim=(2, 3), keepdim=True))
            maps.append(mean.expand(-1, -1, *x.shape[2:]))
        return self.join(torch.cat(maps, dim=1))


@MODELS.register_module()
class ZH320LiteSegHead(DecodeHead):
    """LiteSeg's decoder: DASPP on the deepest map, joined with the one at 1/8.

    Args:
        in_channels: numbers of channels of the trunk's maps at 1/8 and 1/32.
        num_classes: number of classes, and so of channels of the logits.
        branch_channels: number of channels of each branch of the DASPP.
        context_channels: number of channels of the DASPP's output.
        widths: numbers of channels of the two 3x3 convolutions before the classifier.
        dilations: dilation rates of the DASPP's 3x3 convolutions.
        global_pooling: whether one branch of the DASPP is the global mean.
        short_residual: whether the DASPP's input is joined to its branches.
        norm_cfg: mmcv's normalisation config for the head; None removes all normalisation.
        act_cfg: mmcv's activation config.
        align_corners: whether every bilinear resizing aligns the corners of the two maps.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, 32, h, w), (N, 320, h/4, w/4) of any size -> logits (N, num_classes, h, w).
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (32, 320),
        *,
        num_classes: int,
        branch_channels: int = 64,
        context_channels: int = 512,
        widths: Sequence[int] = (256, 128),
        dilations: Sequence[int] = (3, 6, 9),
        global_pooling: bool = True,
        short_residual: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = True,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        super().__init__(
            in_channels, widths[-1], num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs
        )
        low, deep = in_channels
        self.context = DeeperASPP(
            deep,
            branch_channels,
            context_channels,
            dilations,
            global_pooling=global_pooling,
            short_residual=short_residual,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
        )
        unit = partial(ConvNormAct, kernel_size=3, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.fuse = nn.Sequential(unit(context_channels + low, widths[0]), unit(widths[0], widths[1]))
        self.conv_seg = nn.Conv2d(widths[1], num_classes, 1, bias=False)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at 1/8 of the image."""
        low, deep = self._transform_inputs(inputs)
        context = resize_like(self.context(deep), low, self.align_corners)
        return self.cls_seg(self.fuse(torch.cat([context, low], dim=1)))
