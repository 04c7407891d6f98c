"""BiSeNetV1 and BiSeNetV2 as in the implementation that is used most, by CoinCheung.

Papers: Yu et al., ECCV 2018, arXiv:1808.00897, and Yu et al., IJCV 2021, arXiv:2004.02147. Code reproduced
    here, with
outputs proven equal: github.com/CoinCheung/BiSeNet (lib/models/bisenetv1.py and bisenetv2.py, commit
6b4b67a), a **third party's**. With 19 classes BiSeNetV1 has 13.3 M parameters in inference and BiSeNetV2 3.34
M.

MMSegmentation's networks are built on, and differ from it:

* In BiSeNetV1's feature fusion, its gate passes a ReLU before the sigmoid, so that it is never below 0.5.
* In BiSeNetV2's aggregation, two convolutions have a bias, and maps are enlarged bilinearly, not to the
nearest.
* BiSeNetV2's auxiliary heads are others: two 3x3 convolutions of the same width at one resolution.
"""

from __future__ import annotations

import torch
from mmcv.cnn import ConvModule
from mmseg.models.backbones import BiSeNetV1, BiSeNetV2
from mmseg.models.backbones.bisenetv2 import BGALayer
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import Config, ConvNormAct
from lednet_mm.networks.heads import BATCH_NORM, RELU, DecodeHead
from lednet_mm.networks.mmsegmentation import REPOSITORY as MMSEG
from lednet_mm.networks.repositories import THIRD_PARTY

REPOSITORY = "github.com/CoinCheung/BiSeNet"
COMMIT = "6b4b67a"

CARDS = [
    Card(
        name="bisenetv1",
        title="BiSeNetV1 with ResNet-18",
        paper="arXiv:1808.00897",
        repository=REPOSITORY,
        commit=COMMIT,
        deviations=[THIRD_PARTY],
        vectors={"bisenetv1": Vector()},
        published=["BiSeNetV1 (Xception39)", "BiSeNetV1 (ResNet18)"],
    ),
    Card(
        name="bisenetv2",
        title="BiSeNetV2",
        paper="arXiv:2004.02147",
        repository=REPOSITORY,
        commit=COMMIT,
        deviations=[THIRD_PARTY],
        vectors={"bisenetv2": Vector()},
        published=["BiSeNetV2"],
        # A shift that the next normalisation takes out again.
        unused=["backbone.semantic.stage4_CEBlock.gap.1.bias"],
    ),
    Card(
        name="bisenetv1_mmseg",
        title="BiSeNetV1 with ResNet-18 (MMSegmentation's)",
        paper="arXiv:1808.00897",
        repository=MMSEG,
        deviations=["A ReLU stands before the sigmoid of the fusion's gate, which is never below 0.5."],
        from_mmsegmentation=True,
        authors_forms=["bisenetv1"],
    ),
    Card(
        name="bisenetv2_mmseg",
        title="BiSeNetV2 (MMSegmentation's)",
        paper="arXiv:2004.02147",
        repository=MMSEG,
        deviations=[
            "Two convolutions of the aggregation have biases.",
            "The aggregation enlarges maps bilinearly; CoinCheung's takes the nearest value.",
            "The auxiliary heads are others: 11.4 M parameters instead of 1.9 M, which only training uses.",
        ],
        from_mmsegmentation=True,
        authors_forms=["bisenetv2"],
        # A shift that the next normalisation takes out again.
        unused=["backbone.semantic.stage4_CEBlock.gap.1.bias"],
    ),
]


@MODELS.register_module()
class PlainGateBiSeNetV1(BiSeNetV1):
    """MMSegmentation's ``BiSeNetV1`` without the ReLU in the gate of its feature fusion.

    Args:
        kwargs: arguments of mmseg's ``BiSeNetV1``.

    Shapes: those of mmseg's ``BiSeNetV1``.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        gate = self.ffm.conv_atten[0].conv
        self.ffm.conv_atten[0] = ConvModule(
            gate.in_channels, gate.out_channels, 1, norm_cfg=self.norm_cfg, act_cfg=None
        )


class NearestAggregation(BGALayer):
    """MMSegmentation's ``BGALayer`` with nearest enlargement and without biases.

    Shapes: detail (N, C, H, W), semantic (N, C, H/4, W/4) -> (N, C, H, W).
    """

    def __init__(self, channels: int, **kwargs) -> None:
        super().__init__(channels, **kwargs)
        for branch in (self.detail_dwconv, self.semantic_dwconv):
            branch[0].pointwise_conv.conv = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x_d: Tensor, x_s: Tensor) -> Tensor:
        """Return the aggregated map."""
        fine = self.detail_dwconv(x_d)
        size = fine.shape[2:]
        gate = torch.sigmoid(F.interpolate(self.semantic_conv(x_s), size=size))
        deep = self.detail_down(x_d) * torch.sigmoid(self.semantic_dwconv(x_s))
        return self.conv(fine * gate + F.interpolate(deep, size=size))


@MODELS.register_module()
class NearestBiSeNetV2(BiSeNetV2):
    """MMSegmentation's ``BiSeNetV2`` with the aggregation of CoinCheung's.

    Args:
        kwargs: arguments of mmseg's ``BiSeNetV2``.

    Shapes: those of mmseg's ``BiSeNetV2``.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        channels = self.bga_channels
        self.bga = NearestAggregation(channels, norm_cfg=self.norm_cfg, act_cfg=self.act_cfg)


@MODELS.register_module()
class BoosterHead(DecodeHead):
    """BiSeNetV2's auxiliary head: a convolution, enlargement to twice the size, and a convolution again.

    Args:
        in_channels: number of channels of the map.
        channels: number of channels of the enlarged map that is classified.
        num_classes: number of classes, and so of channels of the logits.
        width: number of channels after the first convolution.
        dropout: probability of zeroing a value after the first convolution.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: map (N, in_channels, h, w) of any size -> logits (N, num_classes, 2 * h, 2 * w).
    """

    plain_classifier = True

    def __init__(
        self,
        in_channels: int,
        channels: int,
        *,
        num_classes: int,
        width: int = 128,
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
        self.first = ConvNormAct(in_channels, width, 3, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.drop = nn.Dropout(dropout)
        self.second = ConvNormAct(width, channels, 3, norm_cfg=norm_cfg, act_cfg=act_cfg)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at twice the resolution of the map."""
        x = self.drop(self.first(self._transform_inputs(inputs)))
        return self.cls_seg(self.second(F.interpolate(x, scale_factor=2)))
