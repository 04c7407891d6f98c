"""Fast-SCNN as in Efficient-Segmentation-Networks: shared downsampling, pyramid pooling, fusion.

Paper: Poudel et al., BMVC 2019, arXiv:1902.04502. The code followed is the version in
github.com/xiaoyufenfei/Efficient-Segmentation-Networks (model/FastSCNN.py, commit 0f0c32e): with 19 classes
it has 1.138 M parameters and 1.78 G multiply-adds at 512x1024.

mmseg has a ``FastSCNN`` of its own, which differs in details; this one is therefore registered as
``FastSCNNEncoder``. mmseg's pads the first convolution, leaves out the activation after the depth-wise
convolutions of its downsampling and of its head, ends the pyramid in a 3x3 convolution instead of a 1x1,
resizes without aligned corners and drops whole channels before the classifier.

* The first convolution has no padding (``stem_padding=0``): 512x1024 gives 255x511.
* The depth-wise convolution of the fusion is not dilated (``fusion_dilation=1``); the paper dilates it by 4.
* The auxiliary head of that code is left out, as it is by default there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import (
    Config,
    ConvNormAct,
    DepthwiseSeparable,
    pyramid_pool,
)
from lednet_mm.networks.contextnet import BATCH_NORM, NOT_PADDED, RELU, FeatureFusion, bottlenecks
from lednet_mm.networks.repositories import ESN, ESN_COMMIT

CARD = Card(
    name="fastscnn",
    title="Fast-SCNN",
    paper="arXiv:1902.04502",
    repository=ESN,
    commit=ESN_COMMIT,
    deviations=[NOT_PADDED, "The fusion's depth-wise convolution is not dilated; the paper dilates it by 4."],
    vectors={"fastscnn": Vector()},
    published=["FastSCNN"],
)


class PyramidPooling(nn.Module):
    """Append averages over grids of bins to a map, and mix all by a 1x1 convolution.

    Args:
        channels: number of channels of input and output.
        bins: numbers of bins per side, one pyramid level for each.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(self, channels: int, bins: Sequence[int], *, norm_cfg: Config, act_cfg: Config) -> None:
        super().__init__()
        width = channels // len(bins)
        self.bins = bins
        self.levels = nn.ModuleList(
            [ConvNormAct(channels, width, 1, norm_cfg=norm_cfg, act_cfg=act_cfg) for _ in bins]
        )
        self.out = ConvNormAct(channels + width * len(bins), channels, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)

    def forward(self, x: Tensor) -> Tensor:
        """Return the mixed map, of the input's shape."""
        pooled = pyramid_pool(x, self.bins, self.levels, align_corners=True)
        return self.out(torch.cat([x, *pooled], dim=1))


@MODELS.register_module()
class FastSCNNEncoder(BaseModule):
    """Fast-SCNN without its classifier, which is ``SeparableHead``.

    Args:
        in_channels: number of channels of the image.
        downsample_channels: numbers of channels at 1/2, 1/4 and 1/8 of the input.
        global_groups: (width, expansion, number of blocks, stride of the first block) of each group of
            bottlenecks.
        pyramid_bins: numbers of bins per side of the pyramid's levels; an empty tuple removes the pyramid.
        fused_channels: number of channels of the fused map.
        stem_padding: zero padding of the first convolution.
        fusion_dilation: dilation rate of the fusion's depth-wise convolution, which is 4 in the paper.
        detail_skip: whether the fusion adds the map at 1/8 to the deep one; False passes on the deep one
            alone, resized to 1/8.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config; a PReLU has one slope per channel.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of at least 3x3 -> maps (N, 64, H/8, W/8), (N, 128, H/32, W/32) and fused (N,
    128, H/8, W/8). These sizes are approximate: without padding the first convolution gives floor((H - 1) /
    2).
    """

    def __init__(
        self,
        in_channels: int = 3,
        downsample_channels: Sequence[int] = (32, 48, 64),
        global_groups: Sequence[tuple[int, int, int, int]] = ((64, 6, 3, 2), (96, 6, 3, 2), (128, 6, 3, 1)),
        pyramid_bins: Sequence[int] = (1, 2, 3, 6),
        fused_channels: int = 128,
        stem_padding: int = 0,
        fusion_dilation: int = 1,
        detail_skip: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        layers: dict[str, Any] = {"norm_cfg": norm_cfg, "act_cfg": act_cfg}
        first, second, third = downsample_channels
        deep = global_groups[-1][0]
        self.downsample = nn.Sequential(
            ConvNormAct(in_channels, first, 3, stride=2, padding=stem_padding, **layers),
            DepthwiseSeparable(first, second, stride=2, **layers),
            DepthwiseSeparable(second, third, stride=2, **layers),
        )
        self.bottlenecks = bottlenecks(third, global_groups, **layers)
        self.pyramid = PyramidPooling(deep, pyramid_bins, **layers) if pyramid_bins else nn.Identity()
        self.fusion = FeatureFusion(
            third if detail_skip else None, deep, fused_channels, dilation=fusion_dilation, **layers
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the map at 1/8, the map at 1/32 and the fused map."""
        high = self.downsample(x)
        low = self.pyramid(self.bottlenecks(high))
        return high, low, self.fusion(high, low)
