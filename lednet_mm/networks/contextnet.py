"""ContextNet: a shallow branch at full resolution, a deep one at a quarter, and their fusion.

Paper: Poudel et al., BMVC 2018, arXiv:1805.04554. The code followed is the version in
github.com/xiaoyufenfei/Efficient-Segmentation-Networks (model/ContextNet.py, commit 0f0c32e): with 19 classes
it has 0.877 M parameters and 1.79 G multiply-adds at 512x1024. Fast-SCNN (fastscnn.py) is built from the same
blocks.

* The first convolution of each branch has no padding (``stem_padding=0``): 512x1024 gives 255x511. With 1
  the maps have the sizes that strides of 2 suggest.
* The depth-wise convolution of the fusion is not dilated there (``fusion_dilation``; Fast-SCNN's paper
  dilates it by 4).
* The auxiliary head of that code is left out, as it is by default there.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import (
    Config,
    ConvNormAct,
    DepthwiseSeparable,
    InvertedResidual,
    make_activation,
    resize_like,
)
from lednet_mm.networks.heads import DecodeHead
from lednet_mm.networks.repositories import ESN, ESN_COMMIT

NOT_PADDED = "The first convolutions have no padding."

CARD = Card(
    name="contextnet",
    title="ContextNet",
    paper="arXiv:1805.04554",
    repository=ESN,
    commit=ESN_COMMIT,
    deviations=[NOT_PADDED],
    vectors={"contextnet": Vector()},
    published=["ContextNet"],
)

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}


def bottlenecks(
    in_channels: int,
    groups: Sequence[tuple[int, int, int, int]],
    *,
    norm_cfg: Config,
    act_cfg: Config,
) -> nn.Sequential:
    """Return several groups of linear bottlenecks (MobileNetV2's blocks) in one sequence.

    Args:
        in_channels: number of channels of the input map.
        groups: (width, expansion, number of blocks, stride of the first block) for each group.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.
    """
    stacked = []
    for width, expansion, count, first_stride in groups:
        blocks = []
        for stride in (first_stride, *[1] * (count - 1)):
            block = InvertedResidual(
                in_channels, width, expansion, stride=stride, norm_cfg=norm_cfg, act_cfg=act_cfg
            )
            blocks.append(block)
            in_channels = width
        stacked.append(nn.Sequential(*blocks))
    return nn.Sequential(*stacked)


class FeatureFusion(nn.Module):
    """Resize the deep map to the fine one and add the two.

    Args:
        high_channels: number of channels of the fine map; None leaves it out of the sum.
        low_channels: number of channels of the deep map.
        out_channels: number of channels of the result.
        dilation: dilation rate of the depth-wise convolution over the resized deep map.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: fine map (N, high_channels, H, W), deep map (N, low_channels, h, w) -> (N, out_channels, H, W).
    """

    def __init__(
        self,
        high_channels: int | None,
        low_channels: int,
        out_channels: int,
        *,
        dilation: int,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        self.depth = ConvNormAct(
            low_channels,
            low_channels,
            3,
            dilation=dilation,
            groups=low_channels,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
        )
        project = partial(ConvNormAct, kernel_size=1, bias=True, norm_cfg=norm_cfg)
        self.low = project(low_channels, out_channels)
        self.high = None if high_channels is None else project(high_channels, out_channels)
        self.act = make_activation(act_cfg, out_channels)

    def forward(self, high: Tensor, low: Tensor) -> Tensor:
        """Return the fused map at the resolution of the fine one."""
        low = self.low(self.depth(resize_like(low, high, align_corners=True)))
        return self.act(low if self.high is None else self.high(high) + low)


@MODELS.register_module()
class ContextNet(BaseModule):
    """ContextNet without its classifier.

    Args:
        in_channels: number of channels of the image.
        detail_channels: number of channels of the full-resolution branch at 1/2, 1/4, 1/8 and 1/8.
        context_scale: factor by which the image is scaled for the deep branch.
        context_stem: number of channels of the deep branch's first convolution.
        context_groups: (width, expansion, number of blocks, stride of the first block) of each group of the
            deep branch.
        fused_channels: number of channels of the fused map.
        stem_padding: zero padding of both first convolutions.
        fusion_dilation: dilation rate of the fusion's depth-wise convolution.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config; a PReLU has one slope per channel.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of at least 12x12 -> maps of detail (N, 128, H/8, W/8), of context (N, 128,
    H/32, W/32) and fused (N, 128, H/8, W/8). These sizes are approximate: without padding the first
    convolutions give floor((H - 1) / 2).
    """

    def __init__(
        self,
        in_channels: int = 3,
        detail_channels: Sequence[int] = (32, 64, 128, 128),
        context_scale: float = 0.25,
        context_stem: int = 32,
        context_groups: Sequence[tuple[int, int, int, int]] = (
            (32, 1, 1, 1),
            (32, 6, 1, 1),
            (48, 6, 3, 2),
            (64, 6, 3, 2),
            (96, 6, 2, 1),
            (128, 6, 2, 1),
        ),
        fused_channels: int = 128,
        stem_padding: int = 0,
        fusion_dilation: int = 1,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        layers: dict[str, Any] = {"norm_cfg": norm_cfg, "act_cfg": act_cfg}
        stem = partial(ConvNormAct, stride=2, padding=stem_padding, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.context_scale = context_scale
        first, second, third, fourth = detail_channels
        self.detail = nn.Sequential(
            stem(in_channels, first, 3),
            DepthwiseSeparable(first, second, stride=2, **layers),
            DepthwiseSeparable(second, third, stride=2, **layers),
            DepthwiseSeparable(third, fourth, **layers),
        )
        self.context = nn.Sequential(
            stem(in_channels, context_stem, 3), *bottlenecks(context_stem, context_groups, **layers)
        )
        self.fusion = FeatureFusion(
            fourth, context_groups[-1][0], fused_channels, dilation=fusion_dilation, **layers
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the map of detail, the map of context and the fused map."""
        detail = self.detail(x)
        small = F.interpolate(x, scale_factor=self.context_scale, mode="bilinear", align_corners=True)
        context = self.context(small)
        return detail, context, self.fusion(detail, context)


@MODELS.register_module()
class SeparableHead(DecodeHead):
    """The classifier of ContextNet and Fast-SCNN: two depth-wise separable convolutions, dropout, 1x1.

    mmseg's ``DepthwiseSeparableFCNHead`` drops whole channels where these two networks drop single values.

    Args:
        in_channels: number of channels of the map.
        num_classes: number of classes, and so of channels of the logits.
        dropout_ratio: probability of zeroing a value before the last convolution.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        align_corners: whether the resizing to the image's size aligns corners.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: map (N, in_channels, h, w) of any size -> logits (N, num_classes, h, w).
    """

    plain_classifier = True

    def __init__(
        self,
        in_channels: int = 128,
        *,
        num_classes: int,
        dropout_ratio: float = 0.1,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = True,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        super().__init__(
            in_channels, in_channels, num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs
        )
        unit = partial(DepthwiseSeparable, in_channels, in_channels, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.convs = nn.Sequential(unit(), unit())
        self.dropout = nn.Dropout(dropout_ratio)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at the resolution of the map."""
        return self.cls_seg(self.convs(self._transform_inputs(inputs)))
