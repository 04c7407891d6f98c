"""FANet: fast attention on every map of a ResNet whose stages all halve the resolution.

Paper: Hu et al., RA-L 2021, arXiv:2007.03815. Authors' code: github.com/feinanshan/FANet
(Train/ptsemseg/models/fanet, commit d4e5e3c). With 19 classes FANet-18 has 13.9 M parameters and 11.87 G
multiply-adds at 512x1024.

The authors' in-place activated normalisation scales by the absolute value of its weight; here it is an
ordinary one, followed by its activation.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import BasicBlock, Config, ConvNormAct, Stages, resize_like

CARD = Card(
    name="fanet18",
    title="FANet-18",
    paper="arXiv:2007.03815",
    repository="github.com/feinanshan/FANet",
    commit="d4e5e3c",
    deviations=["An upsampling grows the map by a border of one pixel before it is resized."],
    vectors={"fanet18": Vector()},
    published=["FANet-18"],
)

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}
LEAKY = {"type": "LeakyReLU", "negative_slope": 0.01}


@MODELS.register_module()
class LeakyResNet18(BaseModule):
    """ResNet-18 with leaky ReLUs, except for the one after each sum.

    Args:
        in_channels: number of channels of the image.
        channels: numbers of channels of the stages; the stem has as many as the first one.
        strides: strides of the stages.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's config of the activations inside the blocks.
        last_act_cfg: mmcv's config of the activation after a block's sum.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 64, ...), (N, 128, ...), (N, 256, ...), (N, 512, ...)
    at 1/4 divided by the strides so far, each rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (64, 128, 256, 512),
        strides: Sequence[int] = (1, 2, 2, 2),
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = LEAKY,
        last_act_cfg: Config = RELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        self.stem = ConvNormAct(in_channels, channels[0], 7, stride=2, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        block = partial(BasicBlock, norm_cfg=norm_cfg, act_cfg=act_cfg, last_act_cfg=last_act_cfg)
        inputs = (channels[0], *channels[:-1])
        self.stages = Stages(
            nn.Sequential(block(before, width, stride), block(width, width))
            for before, width, stride in zip(inputs, channels, strides, strict=True)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps of all stages."""
        return self.stages(self.pool(self.stem(x)))


class FastAttention(nn.Module):
    """Attention without softmax: keys and values are multiplied first, so the cost is linear in the area.

    Args:
        channels: number of channels of input and output.
        width: number of channels of queries and keys.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's config of the activations of values and result.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(self, channels: int, width: int = 32, *, norm_cfg: Config, act_cfg: Config) -> None:
        super().__init__()
        self.query = ConvNormAct(channels, width, 1, norm_cfg=norm_cfg)
        self.key = ConvNormAct(channels, width, 1, norm_cfg=norm_cfg)
        self.value = ConvNormAct(channels, channels, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.fuse = ConvNormAct(channels, channels, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)

    def forward(self, x: Tensor) -> Tensor:
        query = F.normalize(self.query(x), dim=1).flatten(2)  # (N, width, positions)
        key = F.normalize(self.key(x), dim=1).flatten(2)
        value = self.value(x).flatten(2)  # (N, channels, positions)
        mixed = (value @ key.transpose(1, 2)) @ query
        return x + self.fuse(mixed.reshape(x.shape))


@MODELS.register_module()
class FANetEncoder(LeakyResNet18):
    """FANet's ResNet and its decoder: fast attention on every map, summed up from deep to shallow.

    Args:
        in_channels: number of channels of the image.
        channels: numbers of channels of the ResNet's stages.
        strides: strides of the ResNet's stages.
        smooth_channels: number of channels of the maps that the heads take.
        attention: whether the maps pass fast attention.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's config of the activations, except for those after a block's sum.
        align_corners: whether every bilinear resizing aligns the corners of the two maps.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, smooth_channels, H/64, W/64), the same at 1/32, and
    (N, 2 * smooth_channels, H/8, W/8), each rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (64, 128, 256, 512),
        strides: Sequence[int] = (2, 2, 2, 2),
        smooth_channels: int = 128,
        attention: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = LEAKY,
        align_corners: bool = True,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(in_channels, channels, strides, norm_cfg, act_cfg, init_cfg=init_cfg)
        self.align_corners = align_corners
        unit = partial(ConvNormAct, norm_cfg=norm_cfg, act_cfg=act_cfg)
        deepest_first = channels[::-1]
        self.attentions = nn.ModuleList(
            FastAttention(width, norm_cfg=norm_cfg, act_cfg=act_cfg) if attention else nn.Identity()
            for width in deepest_first
        )
        self.ups = nn.ModuleList(
            unit(width, following, 1, padding=1) for width, following in itertools.pairwise(deepest_first)
        )
        # The third of the maps, from the deepest, has no head.
        self.smooth = nn.ModuleList(
            unit(width, smooth_channels, 3) for i, width in enumerate(deepest_first) if i != 2
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the smoothed deepest map, the next one, and the next one joined to the finest."""
        maps = super().forward(x)[::-1]
        sums = [self.attentions[0](maps[0])]
        for fine, attend, up in zip(maps[1:], self.attentions[1:], self.ups, strict=True):
            sums.append(resize_like(up(sums[-1]), fine, self.align_corners) + attend(fine))
        deep, middle, fine = (smooth(sums[i]) for smooth, i in zip(self.smooth, (0, 1, 3), strict=True))
        return deep, middle, torch.cat([resize_like(middle, fine, self.align_corners), fine], dim=1)
