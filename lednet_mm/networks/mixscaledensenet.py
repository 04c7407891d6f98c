"""MixedScaleDenseNet: 128 dense layers that add one channel each, with dilations that take turns.

After Pelt and Sethian, PNAS 2018, doi:10.1073/pnas.1715832114. Authors' code: github.com/ansleliu/LightNet
(commit 58353b2). With 19 classes it has 1.25 M parameters and 63.77 G multiply-adds at 512x1024. The head is
:class:`lednet_mm.networks.lightnet.LightNetHead`, whose file lists the deviations of the whole collection.

* The paper's network works at full resolution and ends in a 1x1 convolution; this one works at 1/4 of the
  image and has a context block.
* The defaults here are those of the authors' class, whose 1.25 M parameters are not the 0.80 M of the
  repository's README. The training script has ``layers=96, dilations=(1, 2, 4, 8, 16)``.
* The authors' code accepts only heights and widths that are multiples of 4; here any size works.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import Config, ConvNormAct, NormAct
from lednet_mm.networks.lightnet import (
    BATCH_NORM,
    BORDER,
    COMMIT,
    LEAKY_RELU,
    REPOSITORY,
    SpatialChannelExcitation,
)

CARD = Card(
    name="mixscaledensenet",
    title="MixedScaleDenseNet",
    paper="doi:10.1073/pnas.1715832114",
    repository=REPOSITORY,
    commit=COMMIT,
    deviations=["The dense layers work at 1/4 of the image; the paper's work at full resolution.", BORDER],
    vectors={"mixscaledensenet": Vector()},
    published=["LightNet Mixed-scale DenseNet"],
)


class DenseLayer(nn.Sequential):
    """Activated normalisation, then a dilated 3x3 convolution to a few new channels.

    Shapes: (N, in_channels, H, W) -> (N, growth, H, W).
    """

    def __init__(
        self, in_channels: int, growth: int, dilation: int, norm_cfg: Config, act_cfg: Config
    ) -> None:
        super().__init__()
        self.norm_act = NormAct(in_channels, norm_cfg, act_cfg)
        self.conv = nn.Conv2d(in_channels, growth, 3, padding=dilation, dilation=dilation, bias=False)


@MODELS.register_module()
class MixedScaleDenseNet(BaseModule):
    """The dense layers, all at one resolution and with dilations of many scales.

    Args:
        in_channels: number of channels of the image.
        stem_channels: number of channels that the dense layers start from.
        layers: number of dense layers.
        growth: number of channels that every layer adds.
        dilations: dilation rates of the layers, repeated in turn; ``(1,)`` removes the dilation.
        scse: whether channels and pixels of the result are weighted.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config, used after every normalisation.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> one map (N, 160, H/4, W/4), rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        stem_channels: int = 32,
        layers: int = 128,
        growth: int = 1,
        dilations: Sequence[int] = (1, 2, 4, 8, 4, 2),
        scse: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = LEAKY_RELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        self.stem = ConvNormAct(in_channels, stem_channels, 7, stride=2, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layers = nn.ModuleList(
            DenseLayer(stem_channels + i * growth, growth, dilations[i % len(dilations)], norm_cfg, act_cfg)
            for i in range(layers)
        )
        width = stem_channels + layers * growth
        self.norm_act = NormAct(width, norm_cfg, act_cfg)
        self.scse = SpatialChannelExcitation(width) if scse else nn.Identity()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the map at 1/4."""
        maps = [self.pool(self.stem(x))]
        for layer in self.layers:
            maps.append(layer(torch.cat(maps, dim=1)))
        return (self.scse(self.norm_act(torch.cat(maps, dim=1))),)
