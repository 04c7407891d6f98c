"""FSSNet: fast semantic segmentation with factorised and dilated bottlenecks.

Paper: Zhang et al., "Fast semantic segmentation for scene perception", IEEE Transactions on Industrial
Informatics 15(2), 2019. The code followed is the version in
github.com/xiaoyufenfei/Efficient-Segmentation-Networks (model/FSSNet.py, commit 0f0c32e): with 19 classes it
has 0.176 M parameters and 2.73 G multiply-adds at 512x1024.

* The first block pools the image without normalising it, and only its batch normalisation has eps 1e-3.
* In an upsampling, only the main path uses the skip map; the other path uses the deep map alone.
* That code refuses most sizes that are not multiples of 8. Here the first pooling rounds up and a deep map is
  resized to its skip map, with the same result at every size that it accepts.
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
from lednet_mm.layers import Config, ConvNormAct, DownsampleUnit, make_activation, make_norm, match_size
from lednet_mm.networks.heads import DecodeHead
from lednet_mm.networks.repositories import ESN, ESN_COMMIT

CARD = Card(
    name="fssnet",
    title="FSSNet",
    paper="IEEE Transactions on Industrial Informatics 15(2), 2019",
    repository=ESN,
    commit=ESN_COMMIT,
    vectors={"fssnet": Vector()},
    published=["FSSNet"],
)

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}


class Downsample(nn.Module):
    """Halve the resolution: a pooled path and a bottleneck with a strided 2x2 convolution, summed.

    Args:
        in_channels: number of channels of the input map, a multiple of 4.
        out_channels: number of channels of the output map.
        dropout_ratio: probability of zeroing a channel of the bottleneck.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, floor(H/2), floor(W/2)).
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, dropout_ratio: float, norm_cfg: Config, act_cfg: Config
    ) -> None:
        super().__init__()
        unit = partial(ConvNormAct, norm_cfg=norm_cfg, act_cfg=act_cfg)
        width = in_channels // 4
        self.main = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(in_channels, out_channels, 1, bias=False))
        self.branch = nn.Sequential(
            unit(in_channels, width, 2, stride=2, padding=0),
            unit(width, width, 3),
            unit(width, out_channels, 1),
            nn.Dropout2d(dropout_ratio),
        )
        self.act = make_activation(act_cfg, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the map at half resolution."""
        return self.act(self.main(x) + self.branch(x))


class Bottleneck(nn.Module):
    """A residual bottleneck of a quarter of the width, around a factorised or a dilated 3x3 convolution.

    Args:
        channels: number of channels of input and output, a multiple of 4.
        dilation: dilation rate of the 3x3 convolution.
        factorized: whether the 3x3 convolution is factorised into a 3x1 and a 1x3, each with norm and
            activation.
        dropout_ratio: probability of zeroing a channel before the sum.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(
        self,
        channels: int,
        dilation: int = 1,
        *,
        factorized: bool = False,
        dropout_ratio: float,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        unit = partial(ConvNormAct, norm_cfg=norm_cfg, act_cfg=act_cfg)
        width = channels // 4
        self.reduce = unit(channels, width, 1)
        if factorized:
            self.middle = nn.Sequential(
                *[unit(width, width, kernel, dilation=dilation) for kernel in ((3, 1), (1, 3))]
            )
        else:
            self.middle = unit(width, width, 3, dilation=dilation)
        self.expand = ConvNormAct(width, channels, 1, norm_cfg=norm_cfg)
        self.dropout = nn.Dropout2d(dropout_ratio)
        self.act = make_activation(act_cfg, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, of the input's shape."""
        return self.act(x + self.dropout(self.expand(self.middle(self.reduce(x)))))


class Upsample(nn.Module):
    """Double the resolution: the sum with a skip map resized, and a bottleneck of the deep map alone, summed.

    Args:
        in_channels: number of channels of the deep map and of the skip map, a multiple of 4.
        out_channels: number of channels of the output map.
        dropout_ratio: probability of zeroing a channel of the bottleneck.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: deep map (N, in_channels, h, w), skip map (N, in_channels, H, W) -> (N, out_channels, 2H, 2W).
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, dropout_ratio: float, norm_cfg: Config, act_cfg: Config
    ) -> None:
        super().__init__()
        width = in_channels // 4
        self.main = ConvNormAct(in_channels, out_channels, 1, norm_cfg=norm_cfg)
        self.reduce = ConvNormAct(in_channels, width, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.deconv = nn.ConvTranspose2d(width, width, 2, stride=2, bias=False)
        self.norm = make_norm(norm_cfg, width)
        self.act1 = make_activation(act_cfg, width)
        self.expand = ConvNormAct(width, out_channels, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.dropout = nn.Dropout2d(dropout_ratio)
        self.act2 = make_activation(act_cfg, out_channels)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Return the map at twice the resolution of the skip map."""
        x = match_size(x, skip, align_corners=True)
        main = F.interpolate(self.main(x + skip), scale_factor=2, mode="bilinear", align_corners=True)
        y = self.act1(self.norm(self.deconv(self.reduce(x))))
        return self.act2(main + self.dropout(self.expand(y)))


@MODELS.register_module()
class FSSNet(BaseModule):
    """FSSNet's encoder.

    Args:
        in_channels: number of channels of the image.
        channels: numbers of channels at 1/2, 1/4 and 1/8 of the input.
        factorized_blocks: number of factorised bottlenecks at 1/4.
        dilations: dilation rates of the bottlenecks at 1/8, one for each; all 1 removes the dilation.
        dropout_ratio: dropout probability at 1/4, and dropout probability at 1/8.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        stem_eps: epsilon of the first block's normalisation.
        act_cfg: mmcv's activation config; a PReLU has one slope per channel.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of at least 8x8 -> maps (N, 64, H/4, W/4) after the first downsampling, (N,
    128, H/8, W/8) after the second and (N, 128, H/8, W/8) at the end. Sizes at 1/2 are rounded up, smaller
    ones down.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (16, 64, 128),
        factorized_blocks: int = 4,
        dilations: Sequence[int] = (2, 5, 9, 2, 5, 9),
        dropout_ratio: Sequence[float] = (0.03, 0.3),
        norm_cfg: Config = BATCH_NORM,
        stem_eps: float = 1e-3,
        act_cfg: Config = RELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        stem, middle, deep = channels
        low: dict[str, Any] = {"dropout_ratio": dropout_ratio[0], "norm_cfg": norm_cfg, "act_cfg": act_cfg}
        high = {**low, "dropout_ratio": dropout_ratio[1]}
        stem_norm = None if norm_cfg is None else {**norm_cfg, "eps": stem_eps}
        self.initial = DownsampleUnit(in_channels, stem, norm_cfg=stem_norm, act_cfg=act_cfg)
        self.initial.pool = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.down1 = Downsample(stem, middle, **low)
        self.blocks1 = nn.Sequential(
            *[Bottleneck(middle, factorized=True, **low) for _ in range(factorized_blocks)]
        )
        self.down2 = Downsample(middle, deep, **high)
        self.blocks2 = nn.Sequential(*[Bottleneck(deep, dilation, **high) for dilation in dilations])

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the two skip maps and the deepest map."""
        skip1 = self.down1(self.initial(x))
        skip2 = self.down2(self.blocks1(skip1))
        return skip1, skip2, self.blocks2(skip2)


@MODELS.register_module()
class FSSNetHead(DecodeHead):
    """FSSNet's decoder: two upsamplings with skip maps, bottlenecks after each, a transposed convolution.

    Args:
        in_channels: numbers of channels of the skip map at 1/4, of that at 1/8 and of the deepest map.
        num_classes: number of classes, and so of channels of the logits.
        widths: numbers of channels after the first and the second upsampling; the first is that of the map at
            1/4.
        blocks: number of bottlenecks after each upsampling.
        dropout_ratio: dropout probability of the whole decoder.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        align_corners: whether the resizing to the image's size, needed where the result has another size,
            aligns corners.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: skip maps (N, 64, H, W) and (N, 128, h, w), deepest map (N, 128, h, w) ->
    logits (N, num_classes, 4H, 4W).
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (64, 128, 128),
        *,
        num_classes: int,
        widths: Sequence[int] = (64, 16),
        blocks: int = 2,
        dropout_ratio: float = 0.3,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = True,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        super().__init__(
            in_channels, widths[-1], num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs
        )
        options: dict[str, Any] = {"dropout_ratio": dropout_ratio, "norm_cfg": norm_cfg, "act_cfg": act_cfg}
        middle, wide = widths
        self.up1 = Upsample(in_channels[-1], middle, **options)
        self.blocks1 = nn.Sequential(*[Bottleneck(middle, **options) for _ in range(blocks)])
        self.up2 = Upsample(middle, wide, **options)
        self.blocks2 = nn.Sequential(*[Bottleneck(wide, **options) for _ in range(blocks)])
        self.classifier = nn.ConvTranspose2d(
            wide, num_classes, 3, stride=2, padding=1, output_padding=1, bias=False
        )

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at four times the resolution of the first skip map."""
        skip1, skip2, x = self._transform_inputs(inputs)
        x = self.blocks1(self.up1(x, skip2))
        return self.classifier(self.blocks2(self.up2(x, skip1)))
