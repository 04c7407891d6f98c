"""ShelfNet: fast semantic segmentation with two encoder-decoder columns after a trunk.

Paper: Zhuang et al., ICCV workshops 2019, arXiv:1811.11254. Authors' code:
github.com/juntang-zhuang/ShelfNet. The code reproduced here, with outputs proven equal, is a **third party's
re-implementation** with ResNet-18, github.com/zh320/realtime-semantic-segmentation-pytorch (commit c77b1b6),
not the authors' code. With 19 classes it has 16.04 M parameters; the paper says 23.5 M.

The re-implementation differs from the paper, and the defaults here follow the re-implementation:

* The two convolutions of a residual block have weights of their own; the paper's share them
  (``shared_weights=True``), and have dropout between them.
* It refuses sizes whose maps have an odd height or width above 1/32. Here an upsampled map is cropped to the
  one it is added to, with the same result at every size that theirs accepts.

The trunk is MMSegmentation's ``ResNet`` with ``depth=18``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

from mmseg.registry import MODELS
from torch import Tensor, nn

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import (
    BasicBlock,
    Config,
    ConvNormAct,
    TransposedConvNormAct,
    crop_like,
)
from lednet_mm.networks.heads import DecodeHead
from lednet_mm.networks.repositories import THIRD_PARTY, ZH320, ZH320_COMMIT

CARD = Card(
    name="zh320_shelfnet",
    title="ShelfNet-18 (re-implementation by zh320)",
    paper="arXiv:1811.11254",
    repository=ZH320,
    commit=ZH320_COMMIT,
    deviations=[
        THIRD_PARTY,
        "It has 16.04 M parameters; the paper says 23.5 M.",
        "The two convolutions of a residual block do not share weights and have no dropout between them.",
    ],
    vectors={"zh320_shelfnet": Vector()},
)

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}


class SBlock(BasicBlock):
    """ResNet's block of two 3x3 convolutions, which the paper gives the same weights.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(self, channels: int, *, shared_weights: bool, norm_cfg: Config, act_cfg: Config) -> None:
        super().__init__(channels, channels, norm_cfg=norm_cfg, act_cfg=act_cfg)
        if shared_weights:
            self.conv2.conv = self.conv1.conv


class UpColumn(nn.Module):
    """A column from the deepest map to the finest: a block at every level, and an upsampling between levels.

    Shapes: maps (N, channels[i], h/2^i, w/2^i), the finest first -> the same shapes.
    """

    def __init__(
        self, channels: Sequence[int], *, shared_weights: bool, norm_cfg: Config, act_cfg: Config
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            SBlock(width, shared_weights=shared_weights, norm_cfg=norm_cfg, act_cfg=act_cfg)
            for width in channels
        )
        self.ups = nn.ModuleList(
            TransposedConvNormAct(deep, shallow, norm_cfg=norm_cfg, act_cfg=act_cfg)
            for shallow, deep in pairwise(channels)
        )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        results = [self.blocks[-1](maps[-1])]
        for level in reversed(range(len(self.ups))):
            below = crop_like(self.ups[level](results[0]), maps[level])
            results.insert(0, self.blocks[level](maps[level] + below))
        return results


class DownColumn(nn.Module):
    """A column from the finest map to the deepest, whose last level is only a strided convolution.

    Shapes: maps (N, channels[i], h/2^i, w/2^i), the finest first and the last unused -> the same shapes.
    """

    def __init__(
        self, channels: Sequence[int], *, shared_weights: bool, norm_cfg: Config, act_cfg: Config
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            SBlock(width, shared_weights=shared_weights, norm_cfg=norm_cfg, act_cfg=act_cfg)
            for width in channels[:-1]
        )
        self.downs = nn.ModuleList(
            ConvNormAct(shallow, deep, 3, stride=2, norm_cfg=norm_cfg, act_cfg=act_cfg)
            for shallow, deep in pairwise(channels)
        )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        results = []
        x = maps[0]
        for level, (block, down) in enumerate(zip(self.blocks, self.downs, strict=True)):
            x = block(x if level == 0 else maps[level] + x)
            results.append(x)
            x = down(x)
        return [*results, x]


@MODELS.register_module()
class ZH320ShelfNetHead(DecodeHead):
    """ShelfNet after its trunk: columns that go up, down and up again through four resolutions.

    Args:
        in_channels: numbers of channels of the trunk's maps, the finest first.
        num_classes: number of classes, and so of channels of the logits.
        widths: numbers of channels of the columns at these resolutions.
        shared_weights: whether the two convolutions of a block share their weights, as in the paper.
        norm_cfg: mmcv's normalisation config for the head; None removes all normalisation.
        act_cfg: mmcv's activation config.
        align_corners: whether the last resizing aligns corners.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, in_channels[i], h/2^i, w/2^i) of any size -> logits (N, num_classes, h, w).
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (64, 128, 256, 512),
        *,
        num_classes: int,
        widths: Sequence[int] = (32, 64, 128, 256),
        shared_weights: bool = False,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = True,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        super().__init__(
            in_channels, widths[0], num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs
        )
        up = partial(UpColumn, widths, shared_weights=shared_weights, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.laterals = nn.ModuleList(
            ConvNormAct(inputs, width, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)
            for inputs, width in zip(in_channels, widths, strict=True)
        )
        self.up1 = up()
        self.down = DownColumn(widths, shared_weights=shared_weights, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.up2 = up()
        self.conv_seg = nn.Conv2d(widths[0], num_classes, 1, bias=False)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at the resolution of the finest map."""
        maps = [lateral(x) for lateral, x in zip(self.laterals, self._transform_inputs(inputs), strict=True)]
        return self.cls_seg(self.up2(self.down(self.up1(maps)))[0])
