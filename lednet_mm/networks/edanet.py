"""EDANet: efficient dense modules with asymmetric convolution.

Paper: Lo et al., ACM Multimedia Asia 2019, arXiv:1809.06323. The code followed is the version in
github.com/xiaoyufenfei/Efficient-Segmentation-Networks (model/EDANet.py, commit 0f0c32e): with 19 classes it
has 0.689 M parameters and 8.94 G multiply-adds at 512x1024.

* That code refuses images whose height or width is odd at one of the first two levels. Here the pooled map is
  padded, with the same result at every size that it accepts.
* The network ends in a 1x1 classifier and one bilinear resizing by 8: mmseg's ``FCNHead`` without
  convolutions of its own (configs/_base_/networks/edanet.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import (
    Config,
    ConvNormAct,
    ConvPoolDownsample,
    Stages,
    make_activation,
    make_norm,
    square_conv,
)
from lednet_mm.networks.repositories import ESN, ESN_COMMIT

CARD = Card(
    name="edanet",
    title="EDANet",
    paper="arXiv:1809.06323",
    repository=ESN,
    commit=ESN_COMMIT,
    vectors={"edanet": Vector()},
    published=["EDANet"],
)

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}


class EDAModule(nn.Module):
    """A bottleneck of two asymmetric convolutions, whose output is concatenated in front of its input.

    Args:
        in_channels: number of channels of the input map.
        growth: number of new channels that the module makes.
        dilation: dilation rate of the second convolution.
        asymmetric: whether to factorise the 3x3 convolutions; False replaces each pair of 3x1 and 1x3
            convolutions by one 3x3.
        dense: whether the input is appended to the new channels; False returns the new channels alone.
        dropout_ratio: probability of zeroing a new channel.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, in_channels, H, W) -> (N, growth + in_channels, H, W), the new channels first, or
    (N, growth, H, W) if not dense.
    """

    def __init__(
        self,
        in_channels: int,
        growth: int,
        dilation: int,
        *,
        asymmetric: bool,
        dense: bool,
        dropout_ratio: float,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        conv = partial(square_conv, growth, 3, factorized=asymmetric, act_cfg=None)
        self.dense = dense
        self.reduce = ConvNormAct(in_channels, growth, 1, bias=True, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.conv1 = conv()
        self.norm1 = make_norm(norm_cfg, growth)
        self.act1 = make_activation(act_cfg, growth)
        self.conv2 = conv(dilation)
        self.norm2 = make_norm(norm_cfg, growth)
        self.act2 = make_activation(act_cfg, growth)
        self.dropout = nn.Dropout2d(dropout_ratio)

    def forward(self, x: Tensor) -> Tensor:
        """Return the new channels, followed by the input if the module is dense."""
        y = self.act1(self.norm1(self.conv1(self.reduce(x))))
        y = self.dropout(self.act2(self.norm2(self.conv2(y))))
        return torch.cat([y, x], dim=1) if self.dense else y


@MODELS.register_module()
class EDANet(BaseModule):
    """EDANet without its classifier.

    Args:
        in_channels: number of channels of the image.
        channels: numbers of channels after each of the three downsamplings.
        growth: number of new channels that every module makes.
        dilations: dilation rates of the modules at 1/4 and at 1/8, one module for each; all 1 removes the
            dilation.
        asymmetric: whether to factorise the 3x3 convolutions; False replaces each pair of 3x1 and 1x3
            convolutions by one 3x3.
        dense: whether every module sees the results of all before it; False makes a plain chain, in which it
            sees the last one alone.
        dropout_ratio: dropout probability in every module.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config; a PReLU has one slope per channel.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 15, H/2, W/2), (N, 260, H/4, W/4), (N, 450, H/8, W/8),
    each rounded up; if not dense, the last two have ``growth`` channels.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (15, 60, 130),
        growth: int = 40,
        dilations: Sequence[Sequence[int]] = ((1, 1, 1, 2, 2), (2, 2, 4, 4, 8, 8, 16, 16)),
        asymmetric: bool = True,
        dense: bool = True,
        dropout_ratio: float = 0.02,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        module = partial(
            EDAModule,
            asymmetric=asymmetric,
            dense=dense,
            dropout_ratio=dropout_ratio,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
        )
        stages = []
        previous = in_channels
        for width, rates in zip(channels, [(), *dilations], strict=True):
            layers = [_downsample(previous, width, norm_cfg, act_cfg)]
            previous = width
            for dilation in rates:
                layers.append(module(previous, growth, dilation))
                previous = previous + growth if dense else growth
            stages.append(nn.Sequential(*layers))
        self.stages = Stages(stages)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps at 1/2, 1/4 and 1/8."""
        return self.stages(x)


def _downsample(in_channels: int, out_channels: int, norm_cfg: Config, act_cfg: Config) -> nn.Module:
    """Halve the resolution, with a pooled copy of the input where the width grows."""
    if in_channels < out_channels:
        return ConvPoolDownsample(in_channels, out_channels, norm_cfg=norm_cfg, act_cfg=act_cfg)
    return ConvNormAct(in_channels, out_channels, 3, stride=2, bias=True, norm_cfg=norm_cfg, act_cfg=act_cfg)
