"""FC-HarDNet: harmonically dense blocks in the shape of a U-Net.

Paper: Chao et al., ICCV 2019, arXiv:1909.00948. Authors' code: github.com/PingoLH/FCHarDNet
(ptsemseg/models/hardnet.py, commit dab48c0). With 19 classes it has 4.12 M parameters and 8.91 G
multiply-adds at 512x1024.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import Config, ConvNormAct, resize_like

CARD = Card(
    name="fchardnet70",
    title="FC-HarDNet-70",
    paper="arXiv:1909.00948",
    repository="github.com/PingoLH/FCHarDNet",
    commit="dab48c0",
    vectors={"fchardnet70": Vector()},
    published=["FC-HarDNet-70"],
)

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}
STAGES = ((10, 4, 64), (16, 4, 96), (18, 8, 160), (24, 8, 224), (32, 8, 320))
"""Growth, number of layers and width after the block of each stage."""


def harmonic_layers(
    channels: int, growth: int, count: int, multiplier: float
) -> tuple[list[list[int]], list[int]]:
    """Return for each layer of a harmonically dense block which ones it takes, and the widths of all.

    Layer i takes the layers i - 1, i - 2, i - 4 ... as far as these powers of two divide i, and is wider the
    more it takes.

    Args:
        channels: number of channels of the input, which is layer 0.
        growth: number of channels of a layer that takes a single one.
        count: number of layers after the input.
        multiplier: factor of the width for every further layer that is taken.

    Returns:
        The indices that each layer from 1 on takes, and the widths of all layers from 0 on.
    """
    links, widths = [], [channels]
    for layer in range(1, count + 1):
        steps = [2**j for j in range(layer.bit_length()) if layer % 2**j == 0]
        links.append([layer - step for step in steps])
        width = float(growth)
        for _ in steps[1:]:
            width *= multiplier
        widths.append((int(width) + 1) // 2 * 2)
    return links, widths


class HarmonicBlock(nn.Module):
    """HarDBlock: convolutions that take the layers before them at distances of powers of two.

    Args:
        channels: number of channels of the input.
        growth: number of channels of a layer that takes a single one.
        count: number of layers.
        multiplier: factor of the width for every further layer that is taken.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Attributes:
        out_channels: number of channels of the output, which joins the layers of odd index and the last one.

    Shapes: (N, channels, H, W) -> (N, out_channels, H, W).
    """

    def __init__(
        self,
        channels: int,
        growth: int,
        count: int,
        multiplier: float = 1.7,
        *,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        self.links, widths = harmonic_layers(channels, growth, count, multiplier)
        self.layers = nn.ModuleList(
            ConvNormAct(sum(widths[i] for i in taken), width, 3, norm_cfg=norm_cfg, act_cfg=act_cfg)
            for taken, width in zip(self.links, widths[1:], strict=True)
        )
        self.kept = [i for i in range(1, count + 1) if i % 2 or i == count]
        self.out_channels = sum(widths[i] for i in self.kept)

    def forward(self, x: Tensor) -> Tensor:
        maps = [x]
        for taken, layer in zip(self.links, self.layers, strict=True):
            maps.append(layer(torch.cat([maps[i] for i in taken], dim=1)))
        return torch.cat([maps[i] for i in self.kept], dim=1)


@MODELS.register_module()
class FCHarDNet(BaseModule):
    """FC-HarDNet without its classifier.

    Args:
        in_channels: number of channels of the image.
        stem_channels: numbers of channels of the first four convolutions.
        stages: growth, number of layers and width after the block of each stage.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        align_corners: whether every bilinear resizing aligns the corners of the two maps.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> map (N, 48, H/4, W/4), rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        stem_channels: Sequence[int] = (16, 24, 32, 48),
        stages: Sequence[Sequence[int]] = STAGES,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = True,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        self.align_corners = align_corners
        unit = partial(ConvNormAct, norm_cfg=norm_cfg, act_cfg=act_cfg)
        widths = (in_channels, *stem_channels)
        self.stem = nn.Sequential(
            *(
                unit(before, width, 3, stride=1 if i % 2 else 2)
                for i, (before, width) in enumerate(itertools.pairwise(widths))
            )
        )
        self.blocks, self.widen = nn.ModuleList(), nn.ModuleList()
        width = stem_channels[-1]
        skips = []
        for growth, count, following in stages:
            block = HarmonicBlock(width, growth, count, norm_cfg=norm_cfg, act_cfg=act_cfg)
            skips.append(block.out_channels)
            self.blocks.append(block)
            self.widen.append(unit(block.out_channels, following, 1))
            width = following
        self.pool = nn.AvgPool2d(2)
        self.narrow, self.ups = nn.ModuleList(), nn.ModuleList()
        for (growth, count, _), skip in zip(stages[-2::-1], skips[-2::-1], strict=True):
            self.narrow.append(unit(width + skip, (width + skip) // 2, 1))
            block = HarmonicBlock((width + skip) // 2, growth, count, norm_cfg=norm_cfg, act_cfg=act_cfg)
            self.ups.append(block)
            width = block.out_channels

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Return the map at 1/4."""
        x = self.stem(x)
        skips: list[Tensor] = []
        for block, widen in zip(self.blocks, self.widen, strict=True):
            if skips:
                x = self.pool(x)
            skips.append(block(x))
            x = widen(skips[-1])
        for skip, narrow, up in zip(skips[-2::-1], self.narrow, self.ups, strict=True):
            x = up(narrow(torch.cat([resize_like(x, skip, self.align_corners), skip], dim=1)))
        return (x,)
