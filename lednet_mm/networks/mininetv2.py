"""MiniNet-v2: an efficient network for real-time semantic segmentation on robots.

Paper: Alonso et al., "MiniNet: an efficient semantic segmentation ConvNet for real-time robotic
applications", IEEE Transactions on Robotics 2020. The code reproduced here, with outputs proven equal, is a
**third party's re-implementation**, github.com/zh320/realtime-semantic-segmentation-pytorch (commit c77b1b6),
not the authors' code. With 19 classes it has 0.51 M parameters (the paper says 0.5 M).

The defaults here follow the re-implementation where it is unusual:

* The last layer is an upsampling unit, so the logits pass through a batch normalisation and a ReLU
  (``norm_act_logits=True``) and are never negative.
* The blocks have no shortcut.
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
from lednet_mm.layers import Config, ConvNormAct, DownsampleUnit, TransposedConvNormAct, crop_like
from lednet_mm.networks.heads import DecodeHead
from lednet_mm.networks.repositories import LAST_NORM, THIRD_PARTY, ZH320, ZH320_COMMIT

CARD = Card(
    name="mininetv2",
    title="MiniNet-v2 (re-implementation by zh320)",
    paper="IEEE Transactions on Robotics, 2020",
    repository=ZH320,
    commit=ZH320_COMMIT,
    deviations=[THIRD_PARTY, LAST_NORM, "It has 0.51 M parameters; the paper says 0.5 M."],
    vectors={"zh320_mininetv2": Vector()},
    published=["MiniNetV2"],
)

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}


class MultiDilationBlock(nn.Module):
    """A depth-wise 3x3 convolution, with a dilated one beside it for ``dilation > 1``, then a 1x1.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(self, channels: int, dilation: int = 1, *, norm_cfg: Config, act_cfg: Config) -> None:
        super().__init__()
        depth = partial(
            ConvNormAct, channels, channels, 3, groups=channels, norm_cfg=norm_cfg, act_cfg=act_cfg
        )
        self.depth = depth()
        self.dilated = depth(dilation=dilation) if dilation > 1 else None
        self.point = ConvNormAct(channels, channels, 1, bias=True, norm_cfg=norm_cfg, act_cfg=act_cfg)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, of the input's shape."""
        y = self.depth(x)
        if self.dilated is not None:
            y = y + self.dilated(x)
        return self.point(y)


@MODELS.register_module()
class MiniNetV2(BaseModule):
    """MiniNet-v2's encoder with its second, shorter path for details.

    Args:
        in_channels: number of channels of the image.
        channels: numbers of channels at 1/2, 1/4 and 1/8.
        blocks: number of blocks at 1/4.
        dilations: dilation rates, one block at 1/8 for each; all 1 removes the dilated convolutions.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 64, H/4, W/4) of the short path and (N, 128, H/8, W/8),
    each rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (16, 64, 128),
        blocks: int = 10,
        dilations: Sequence[int] = (1, 2, 1, 4, 1, 8, 1, 16, 1, 1, 1, 2, 1, 4, 1, 8),
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        block = partial(MultiDilationBlock, norm_cfg=norm_cfg, act_cfg=act_cfg)
        down = partial(DownsampleUnit, norm_cfg=norm_cfg, act_cfg=act_cfg)
        low, middle, high = channels
        self.detail = nn.Sequential(down(in_channels, low), down(low, middle))
        self.stem = nn.Sequential(down(in_channels, low), down(low, middle))
        self.middle = nn.Sequential(*[block(middle) for _ in range(blocks)])
        self.down = down(middle, high)
        self.high = nn.Sequential(*[block(high, dilation) for dilation in dilations])

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the detail map at 1/4 and the deep one at 1/8."""
        return self.detail(x), self.high(self.down(self.middle(self.stem(x))))


@MODELS.register_module()
class MiniNetV2Head(DecodeHead):
    """MiniNet-v2's decoder: upsample, add the detail map, run a few blocks, upsample to the logits.

    Args:
        in_channels: numbers of channels of the maps at 1/4 and 1/8.
        num_classes: number of classes, and so of channels of the logits.
        blocks: number of blocks at 1/4.
        norm_act_logits: whether normalisation and activation follow the last convolution.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        align_corners: whether the last resizing aligns corners.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, 64, h, w), (N, 128, h/2, w/2) -> logits (N, num_classes, 2h, 2w).
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (64, 128),
        *,
        num_classes: int,
        blocks: int = 4,
        norm_act_logits: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = True,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        middle, high = in_channels
        super().__init__(
            in_channels, middle, num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs
        )
        self.up = TransposedConvNormAct(high, middle, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.blocks = nn.Sequential(
            *[MultiDilationBlock(middle, norm_cfg=norm_cfg, act_cfg=act_cfg) for _ in range(blocks)]
        )
        self.classifier = TransposedConvNormAct(
            middle,
            num_classes,
            norm_cfg=norm_cfg if norm_act_logits else None,
            act_cfg=act_cfg if norm_act_logits else None,
        )

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at 1/2 of the image."""
        detail, x = self._transform_inputs(inputs)
        return self.classifier(self.blocks(detail + crop_like(self.up(x), detail)))
