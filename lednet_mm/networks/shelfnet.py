"""ShelfNet: fast semantic segmentation with two encoder-decoder columns after a trunk.

Paper: Zhuang et al., ICCV workshops 2019, arXiv:1811.11254. Authors' code: github.com/juntang-zhuang/ShelfNet
(ShelfNet18_realtime, commit 39fbcb2). With 19 classes ShelfNet-18 has 14.5 M parameters and 24.78 G
multiply-adds at 512x1024.

The authors' code accepts only heights and widths that are multiples of 32. Here every map is resized to the
one that it meets, with the same result at every size that theirs accepts. Their in-place activated
normalisation scales by the absolute value of its weight; here it is an ordinary one, followed by its
activation.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import Config, ConvNormAct, make_activation, make_norm
from lednet_mm.networks.fanet import LeakyResNet18

CARD = Card(
    name="shelfnet18",
    title="ShelfNet-18",
    paper="arXiv:1811.11254",
    repository="github.com/juntang-zhuang/ShelfNet",
    commit="39fbcb2",
    deviations=["The second column does not take the deepest map of the first one."],
    vectors={"shelfnet18": Vector()},
    published=["ShelfNet18", "ShelfNet"],
)

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}
LEAKY = {"type": "LeakyReLU", "negative_slope": 0.01}


class SharedBlock(nn.Module):
    """S-block: a residual block whose two convolutions share their weights.

    Args:
        channels: number of channels of input and output.
        dropout: probability of zeroing a channel between the convolutions.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's config of the activation between the convolutions; a ReLU follows the sum.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(self, channels: int, *, dropout: float, norm_cfg: Config, act_cfg: Config) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm1 = make_norm(norm_cfg, channels)
        self.act = make_activation(act_cfg, channels)
        self.drop = nn.Dropout2d(dropout)
        self.norm2 = make_norm(norm_cfg, channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.drop(self.act(self.norm1(self.conv(x))))
        return F.relu(x + self.norm2(self.conv(y)))


class RefinedUp(nn.Module):
    """Weight a deep map's channels, enlarge it to a finer map's size, add that and smooth the sum.

    Args:
        in_channels: number of channels of the deep map.
        out_channels: number of channels of the finer map and of the output.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: deep (N, in_channels, h, w), fine (N, out_channels, H, W) -> (N, out_channels, H, W).
    """

    def __init__(self, in_channels: int, out_channels: int, *, norm_cfg: Config, act_cfg: Config) -> None:
        super().__init__()
        self.reduce = ConvNormAct(in_channels, out_channels, 3, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.weigh = ConvNormAct(out_channels, out_channels, 1, norm_cfg=norm_cfg)
        self.smooth = ConvNormAct(out_channels, out_channels, 3, norm_cfg=norm_cfg, act_cfg=act_cfg)

    def forward(self, deep: Tensor, fine: Tensor) -> Tensor:
        x = self.reduce(deep)
        x = x * self.weigh(F.adaptive_avg_pool2d(x, 1)).sigmoid()
        return self.smooth(F.interpolate(x, size=fine.shape[2:]) + fine)


@MODELS.register_module()
class ShelfNetEncoder(LeakyResNet18):
    """ShelfNet without its classifiers: ResNet-18, a decoder, and a column that goes down and up again.

    Args:
        in_channels: number of channels of the image.
        channels: numbers of channels of the ResNet's stages; the columns have half as many.
        dropout: probability of zeroing a channel inside an S-block.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's config of the activations, except for those after a block's sum.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 256, H/32, W/32), (N, 128, H/16, W/16) and
    (N, 64, H/8, W/8), each rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (64, 128, 256, 512),
        dropout: float = 0.1,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = LEAKY,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(in_channels, channels, norm_cfg=norm_cfg, act_cfg=act_cfg, init_cfg=init_cfg)
        options: dict = {"norm_cfg": norm_cfg, "act_cfg": act_cfg}
        fine, middle, deep = widths = [width // 2 for width in channels[1:]]

        def block(width: int) -> nn.Module:
            return SharedBlock(width, dropout=dropout, **options)

        def ups() -> nn.ModuleList:
            return nn.ModuleList([RefinedUp(deep, middle, **options), RefinedUp(middle, fine, **options)])

        self.laterals = nn.ModuleList(ConvNormAct(2 * width, width, 1, **options) for width in widths)
        self.decoder_bottom = block(deep)
        self.decoder_ups = ups()
        self.entry = block(fine)
        self.downs = nn.ModuleList([block(fine), block(middle)])
        self.shrinks = nn.ModuleList(
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1) for width in (fine, middle)
        )
        self.bottom = block(deep)
        self.ups = ups()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps of the last way up, the deepest first."""
        x8, x16, x32 = (
            lateral(stage) for lateral, stage in zip(self.laterals, super().forward(x)[1:], strict=True)
        )
        d16 = self.decoder_ups[0](self.decoder_bottom(x32), x16)
        d8 = self.decoder_ups[1](d16, x8)
        y = self.entry(d8)
        skips = []
        for own, down, shrink in zip((d8, d16), self.downs, self.shrinks, strict=True):
            skips.append(down(y + own))
            y = torch.relu(shrink(skips[-1]))
        maps = [self.bottom(y)]
        for up, skip in zip(self.ups, reversed(skips), strict=True):
            maps.append(up(maps[-1], skip))
        return tuple(maps)
