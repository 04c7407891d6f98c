"""ESNet: a symmetric encoder-decoder of factorised and parallel factorised convolution units.

Paper: Wang et al., PRCV 2019, arXiv:1906.09826. The code followed is the authors' version in
github.com/xiaoyufenfei/Efficient-Segmentation-Networks (model/ESNet.py, commit 0f0c32e): with 19 classes it
has 1.659 M parameters and 24.17 G multiply-adds at 512x1024.

* The three branches of a parallel unit share one batch normalisation (``shared_norm=True``): in training
  each branch is normalised by its own batch statistics, and the running statistics, which evaluation uses
  for all three, are updated three times.
* For sizes that are not multiples of 8 the decoder's output has the size of the next multiple, which is
  larger than the image.
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
    ConvPoolDownsample,
    FactorizedConv,
    Stages,
    TransposedConvNormAct,
    make_activation,
    make_norm,
    square_conv,
)
from lednet_mm.networks.heads import DecodeHead
from lednet_mm.networks.repositories import ESN, ESN_COMMIT

CARD = Card(
    name="esnet",
    title="ESNet",
    paper="arXiv:1906.09826",
    repository=ESN,
    commit=ESN_COMMIT,
    deviations=["The three branches of a parallel unit share one batch normalisation."],
    vectors={"esnet": Vector()},
    published=["ESNet"],
)

BATCH_NORM = {"type": "BN", "eps": 1e-3}
RELU = {"type": "ReLU"}


class FactorizedUnit(nn.Module):
    """Factorised convolution unit (FCU): two factorised kxk convolutions and a residual sum.

    With k = 3 it is ERFNet's non-bottleneck-1D.

    Args:
        channels: number of channels of input and output.
        kernel_size: kernel size k of both convolutions.
        dilation: dilation rate of the second convolution.
        factorized: whether each convolution is a kx1 and a 1xk convolution with an activation between them;
            False makes it one kxk convolution.
        residual: whether the input is added before the last activation.
        dropout_ratio: probability of zeroing a channel before the sum.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int = 3,
        dilation: int = 1,
        *,
        factorized: bool = True,
        residual: bool = True,
        dropout_ratio: float,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        conv = partial(square_conv, channels, kernel_size, factorized=factorized, act_cfg=act_cfg)
        self.residual = residual
        self.conv1 = conv()
        self.norm1 = make_norm(norm_cfg, channels)
        self.act1 = make_activation(act_cfg, channels)
        self.conv2 = conv(dilation)
        self.norm2 = make_norm(norm_cfg, channels)
        self.dropout = nn.Dropout2d(dropout_ratio)
        self.act2 = make_activation(act_cfg, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the unit's output, of the input's shape."""
        y = self.act1(self.norm1(self.conv1(x)))
        y = self.dropout(self.norm2(self.conv2(y)))
        return self.act2(x + y if self.residual else y)


class ParallelFactorizedUnit(nn.Module):
    """Parallel factorised convolution unit (PFCU): one factorised 3x3, then several dilated ones, summed.

    Args:
        channels: number of channels of input and output.
        dilations: dilation rates, one branch for each.
        shared_norm: whether all branches share one normalisation; False gives each its own.
        dropout_ratio: probability of zeroing a channel of a branch.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(
        self,
        channels: int,
        dilations: Sequence[int],
        *,
        shared_norm: bool,
        dropout_ratio: float,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        self.shared_norm = shared_norm
        self.conv1 = FactorizedConv(channels, act_cfg=act_cfg)
        self.norm1 = make_norm(norm_cfg, channels)
        self.act1 = make_activation(act_cfg, channels)
        self.branches = nn.ModuleList([FactorizedConv(channels, 3, d, act_cfg=act_cfg) for d in dilations])
        self.norms2 = nn.ModuleList(
            [make_norm(norm_cfg, channels) for _ in (dilations[:1] if shared_norm else dilations)]
        )
        self.dropout = nn.Dropout2d(dropout_ratio)
        self.act2 = make_activation(act_cfg, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the unit's output, of the input's shape."""
        y = self.act1(self.norm1(self.conv1(x)))
        total = x
        for i, branch in enumerate(self.branches):
            norm = self.norms2[0 if self.shared_norm else i]
            total = total + self.dropout(norm(branch(y)))
        return self.act2(total)


@MODELS.register_module()
class ESNet(BaseModule):
    """ESNet's encoder.

    Args:
        in_channels: number of channels of the image.
        channels: numbers of channels at 1/2, 1/4 and 1/8 of the input.
        blocks: number of units at 1/2, 1/4 and 1/8.
        kernel_sizes: kernel sizes of the units at 1/2 and 1/4.
        dilations: dilation rates of the branches of the units at 1/8.
        shared_norm: whether all branches of a unit share one normalisation; False gives each its own.
        dropout_ratio: dropout probability at 1/2 and 1/4, and dropout probability at 1/8.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config; a PReLU has one slope per channel.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 16, H/2, W/2), (N, 64, H/4, W/4), (N, 128, H/8, W/8),
    each rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (16, 64, 128),
        blocks: Sequence[int] = (3, 2, 3),
        kernel_sizes: Sequence[int] = (3, 5),
        dilations: Sequence[int] = (2, 5, 9),
        shared_norm: bool = True,
        dropout_ratio: Sequence[float] = (0.03, 0.3),
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        low, high = dropout_ratio
        wide, middle, deep = channels
        downsample = partial(ConvPoolDownsample, norm_cfg=norm_cfg, act_cfg=act_cfg)
        unit = partial(FactorizedUnit, dropout_ratio=low, norm_cfg=norm_cfg, act_cfg=act_cfg)
        parallel = partial(
            ParallelFactorizedUnit,
            shared_norm=shared_norm,
            dropout_ratio=high,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
        )
        self.stages = Stages(
            [
                nn.Sequential(
                    downsample(in_channels, wide), *[unit(wide, kernel_sizes[0]) for _ in range(blocks[0])]
                ),
                nn.Sequential(
                    downsample(wide, middle), *[unit(middle, kernel_sizes[1]) for _ in range(blocks[1])]
                ),
                nn.Sequential(
                    downsample(middle, deep), *[parallel(deep, dilations) for _ in range(blocks[2])]
                ),
            ]
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps at 1/2, 1/4 and 1/8."""
        return self.stages(x)


@MODELS.register_module()
class ESNetHead(DecodeHead):
    """ESNet's decoder: two transposed convolutions, each with units after it, and a third to the classes.

    Args:
        in_channels: number of channels of the deepest map.
        num_classes: number of classes, and so of channels of the logits.
        widths: numbers of channels after the first and the second transposed convolution.
        kernel_sizes: kernel sizes of the units after each of these two convolutions.
        blocks: number of units after each of these two convolutions.
        factorized: whether the units' convolutions are factorised into kx1 and 1xk; False makes them kxk.
        residual: whether each of the units adds its input to its output.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        align_corners: whether the resizing to the image's size, needed where the result has another size,
            aligns corners.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: map (N, in_channels, h, w) of any size -> logits (N, num_classes, 8h, 8w).
    """

    def __init__(
        self,
        in_channels: int = 128,
        *,
        num_classes: int,
        widths: Sequence[int] = (64, 16),
        kernel_sizes: Sequence[int] = (5, 3),
        blocks: Sequence[int] = (2, 2),
        factorized: bool = True,
        residual: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = True,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        super().__init__(
            in_channels, widths[-1], num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs
        )
        unit = partial(
            FactorizedUnit,
            factorized=factorized,
            residual=residual,
            dropout_ratio=0,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
        )
        layers: list[nn.Module] = []
        previous = in_channels
        for width, kernel_size, count in zip(widths, kernel_sizes, blocks, strict=True):
            layers.append(TransposedConvNormAct(previous, width, norm_cfg=norm_cfg, act_cfg=act_cfg))
            layers += [unit(width, kernel_size) for _ in range(count)]
            previous = width
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.ConvTranspose2d(previous, num_classes, 2, stride=2)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at eight times the resolution of the deepest map."""
        return self.classifier(self.layers(self._transform_inputs(inputs)))
