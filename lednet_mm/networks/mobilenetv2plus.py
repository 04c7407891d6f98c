"""MobileNetV2Plus: a dilated MobileNetV2 whose stages are all concatenated, with ASPP or receptive fields.

No paper; MobileNetV2 is arXiv:1801.04381. Authors' code: github.com/ansleliu/LightNet (commit 58353b2). With
19 classes it has 8.30 M parameters and 86.65 G multiply-adds at 512x1024, with the receptive-field block
(RF-MobileNetV2Plus) 8.64 M and 90.22 G, and on quarters of the image (MobileNetV2Share) 8.30 M and 86.78 G.
The head is :class:`lednet_mm.networks.lightnet.LightNetHead`; its file lists the deviations of the whole
collection.

* MobileNetV2's first block has no expansion; here it has one (``expand_first``).
* The authors' code accepts only heights and widths that are multiples of 8. Here the pooling of skipped maps
  rounds up as the strided convolutions do, with the same result at every size that theirs accepts.
* On quarters of the image their code accepts multiples of 16; here multiples of 8 work.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import Config, ConvNormAct, InvertedResidual, Stages
from lednet_mm.networks.lightnet import (
    BATCH_NORM,
    BORDER,
    COMMIT,
    LOST_NORMS,
    RELU,
    REPOSITORY,
    SpatialChannelExcitation,
    to_quarters,
)

PAPER = "none; MobileNetV2: arXiv:1801.04381"
EXPANDED = "The first block has a 1x1 expansion, which MobileNetV2's first block does not have."

CARDS = [
    Card(
        name="mobilenetv2plus",
        title="MobileNetV2Plus",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        deviations=[EXPANDED, BORDER],
        vectors={"mobilenetv2plus": Vector()},
        published=["LightNet MobileNetV2Plus", "LightNet MobileNetV2Plus (GAN data)"],
    ),
    Card(
        name="rfmobilenetv2plus",
        title="RF-MobileNetV2Plus",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        deviations=[EXPANDED, LOST_NORMS],
        vectors={"rfmobilenetv2plus": Vector()},
        published=["LightNet RF-MobileNetV2Plus (GAN data)"],
    ),
    Card(
        name="mobilenetv2share",
        title="MobileNetV2Share",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        deviations=[EXPANDED, BORDER],
        vectors={"mobilenetv2share": Vector()},
    ),
]

RELU6 = {"type": "ReLU6"}


class CornerMaxPool(nn.MaxPool2d):
    """3x3 max pooling of stride 2 that pads only at the bottom and right, where a window would not fit.

    Shapes: (N, C, H, W) -> (N, C, ceil(H/2), ceil(W/2)).
    """

    def __init__(self) -> None:
        super().__init__(3, stride=2, ceil_mode=True)

    def forward(self, x: Tensor) -> Tensor:
        bottom, right = x.shape[2] % 2, x.shape[3] % 2
        # PyTorch's ceil_mode drops a last window of one row, so the map is padded; a trace always pads.
        if torch.onnx.is_in_onnx_export() or bottom or right:
            x = F.pad(x, (0, right, 0, bottom), value=-torch.inf)
        return super().forward(x)


@MODELS.register_module()
class MobileNetV2Plus(BaseModule):
    """MobileNetV2 without downsampling past 1/8; its last five stages and pooled early ones are concatenated.

    Args:
        in_channels: number of channels of the image.
        channels: numbers of channels of the stem and of the seven stages.
        blocks: number of blocks of every stage.
        expansion: expansion factor of every block but the first, whose factor is 1.
        expand_first: whether the first block has a 1x1 expansion, which MobileNetV2's paper does not have.
        dilations: dilation rates of the four stages that keep the resolution of 1/8; all 1 removes the
            dilation.
        scse: whether channels and pixels of the concatenated stages are weighted.
        quarters: whether to run on the four quarters of the image as one batch, as MobileNetV2Share does.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config, used in the blocks.
        stem_act_cfg: mmcv's activation config, used after the first convolution.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 40, H/4, W/4), (N, 712, H/8, W/8), each rounded up.
    With ``quarters`` the height and width are multiples of 8 and every map is that of a quarter of the
    image: (4N, 40, H/8, W/8), (4N, 712, H/16, W/16), the last rounded up.

    Raises:
        ValueError: with ``quarters``, an image of another size.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (32, 16, 24, 32, 64, 96, 160, 320),
        blocks: Sequence[int] = (1, 2, 3, 4, 3, 3, 1),
        expansion: int = 6,
        expand_first: bool = True,
        dilations: Sequence[int] = (2, 4, 8, 16),
        scse: bool = True,
        quarters: bool = False,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU6,
        stem_act_cfg: Config = RELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        self.quarters = quarters
        stem, *widths = channels
        self.stem = ConvNormAct(in_channels, stem, 3, stride=2, norm_cfg=norm_cfg, act_cfg=stem_act_cfg)
        self.stages = Stages()
        width = stem
        strides = (1, 2, 2, 1, 1, 1, 1)
        rates = (1, 1, 1, *dilations)
        first = 1 if expand_first else None
        for i, (out_channels, count) in enumerate(zip(widths, blocks, strict=True)):
            stage = nn.Sequential()
            for j in range(count):
                stage.append(
                    InvertedResidual(
                        width,
                        out_channels,
                        expansion if i else first,
                        stride=1 if j else strides[i],
                        dilation=rates[i],
                        norm_cfg=norm_cfg,
                        act_cfg=act_cfg,
                    )
                )
                width = out_channels
            self.stages.append(stage)
        self.pool = CornerMaxPool()
        self.scse = SpatialChannelExcitation(sum(widths)) if scse else nn.Identity()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps at 1/4 and 1/8."""
        if self.quarters:
            # A trace would record the result of this check as a constant.
            if not torch.onnx.is_in_onnx_export() and (x.shape[2] % 8 or x.shape[3] % 8):
                raise ValueError(f"height and width must be multiples of 8, got {x.shape[2]}x{x.shape[3]}")
            x = to_quarters(x)
        half, quarter, *eighth = self.stages(self.stem(x))
        half = self.pool(half)  # at 1/4 from here on
        deep = torch.cat([*eighth, self.pool(half), self.pool(quarter)], dim=1)
        return torch.cat([quarter, half], dim=1), self.scse(deep)
