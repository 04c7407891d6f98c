"""FDDWNet: factorised dilated depth-wise convolutions for real-time semantic segmentation.

Paper: Liu et al., arXiv:1911.00632. The code reproduced here, with outputs proven equal, is a **third party's
re-implementation**, github.com/zh320/realtime-semantic-segmentation-pytorch (commit c77b1b6), not the
authors' code. With 19 classes it has 0.77 M parameters (the paper says 0.80 M).

The defaults here follow the re-implementation where it is unusual:

* The last layer is an upsampling unit, so the logits pass through a batch normalisation and a ReLU
  (``norm_act_logits=True``) and are never negative.
* It refuses sizes whose map at 1/4 has an odd height or width. Here the upsampled map is cropped to the one
  it is added to, with the same result at every size that theirs accepts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import (
    Config,
    ConvNormAct,
    DownsampleUnit,
    Stages,
    TransposedConvNormAct,
    crop_like,
    make_activation,
)
from lednet_mm.networks.heads import DecodeHead
from lednet_mm.networks.repositories import LAST_NORM, THIRD_PARTY, ZH320, ZH320_COMMIT

CARD = Card(
    name="fddwnet",
    title="FDDWNet (re-implementation by zh320)",
    paper="arXiv:1911.00632",
    repository=ZH320,
    commit=ZH320_COMMIT,
    deviations=[THIRD_PARTY, LAST_NORM, "It has 0.77 M parameters; the paper says 0.80 M."],
    vectors={"zh320_fddwnet": Vector()},
    published=["FDDWNet"],
)

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}


class ExtremelyEfficientBlock(nn.Module):
    """EERM: two depth-wise separable 3x3 convolutions, factorised, the second dilated, with a residual sum.

    The depth-wise convolutions have no activation.

    Args:
        channels: number of channels of input and output.
        dilation: dilation rate of the second 3x3 convolution.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(self, channels: int, dilation: int = 1, *, norm_cfg: Config, act_cfg: Config) -> None:
        super().__init__()
        unit = partial(ConvNormAct, channels, channels, norm_cfg=norm_cfg)
        self.conv = nn.Sequential(
            unit((3, 1), groups=channels),
            unit((1, 3), groups=channels),
            unit(1, act_cfg=act_cfg),
            unit((3, 1), dilation=dilation, groups=channels),
            unit((1, 3), dilation=dilation, groups=channels),
            unit(1),
        )
        self.act = make_activation(act_cfg, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, of the input's shape."""
        return self.act(x + self.conv(x))


@MODELS.register_module()
class FDDWNet(BaseModule):
    """FDDWNet's encoder.

    Args:
        in_channels: number of channels of the image.
        channels: numbers of channels at 1/2, 1/4 and 1/8 of the input.
        blocks: number of blocks at 1/4.
        dilations: dilation rates, one block at 1/8 for each; all 1 removes the dilation.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config; a PReLU has one slope per channel.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 64, H/4, W/4), (N, 128, H/8, W/8), each rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (16, 64, 128),
        blocks: int = 5,
        dilations: Sequence[int] = (1, 2, 5, 9, 1, 2, 5, 9, 2, 5, 9, 17, 2, 5, 9, 17),
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        down = partial(DownsampleUnit, norm_cfg=norm_cfg, act_cfg=act_cfg)
        block = partial(ExtremelyEfficientBlock, norm_cfg=norm_cfg, act_cfg=act_cfg)
        wide, middle, deep = channels
        self.stem = down(in_channels, wide)
        self.stages = Stages(
            [
                nn.Sequential(down(wide, middle), *[block(middle) for _ in range(blocks)]),
                nn.Sequential(down(middle, deep), *[block(deep, dilation) for dilation in dilations]),
            ]
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps at 1/4 and 1/8."""
        return self.stages(self.stem(x))


@MODELS.register_module()
class FDDWNetHead(DecodeHead):
    """FDDWNet's decoder: transposed convolutions and blocks, with a sum from the encoder at 1/4.

    Args:
        in_channels: numbers of channels of the maps at 1/4 and 1/8.
        num_classes: number of classes, and so of channels of the logits.
        channels: number of channels at 1/2.
        blocks: number of blocks at 1/4 and at 1/2.
        skip: whether the encoder's map at 1/4 is added.
        norm_act_logits: whether normalisation and activation follow the last convolution.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        align_corners: whether the last resizing, which only sizes that are not multiples of 4 need, aligns
            corners.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, 64, h, w), (N, 128, h/2, w/2) -> logits (N, num_classes, 4h, 4w).
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (64, 128),
        *,
        num_classes: int,
        channels: int = 16,
        blocks: Sequence[int] = (2, 2),
        skip: bool = True,
        norm_act_logits: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = True,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        super().__init__(
            in_channels, channels, num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs
        )
        self.skip = skip
        up = partial(TransposedConvNormAct, norm_cfg=norm_cfg, act_cfg=act_cfg)
        block = partial(ExtremelyEfficientBlock, norm_cfg=norm_cfg, act_cfg=act_cfg)
        middle, deep = in_channels
        self.up1 = nn.Sequential(up(deep, middle), *[block(middle) for _ in range(blocks[0])])
        self.up2 = nn.Sequential(up(middle, channels), *[block(channels) for _ in range(blocks[1])])
        self.classify = TransposedConvNormAct(
            channels,
            num_classes,
            norm_cfg=norm_cfg if norm_act_logits else None,
            act_cfg=act_cfg if norm_act_logits else None,
        )

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at four times the resolution of the first map."""
        middle, deep = self._transform_inputs(inputs)
        x = crop_like(self.up1(deep), middle)
        return self.classify(self.up2(x + middle if self.skip else x))
