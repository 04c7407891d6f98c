"""SEWideResNetV2: a wide residual network with pre-activation, dilation and squeeze-excitation, and an ASPP.

No paper; wide residual networks are arXiv:1605.07146 and arXiv:1611.10080. Authors' code:
github.com/ansleliu/LightNet (commit 58353b2). With 19 classes it has 169.96 M parameters and 1.54 T
multiply-adds at 512x1024: it is far from real time and serves as the collection's reference for accuracy.
:mod:`lednet_mm.networks.lightnet` lists the deviations of the whole collection.

* The authors' class has no usable defaults; those here come from the training script, including its slope of
  0.1.
* The script does not pass its activation to the ASPP, which therefore has a ReLU.
* Only the last two stages, whose blocks are bottlenecks, have squeeze-excitation.
* The authors' code accepts only heights and widths that are multiples of 8; here any size works.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import Config, NormAct, SqueezeExcitation, resize_like
from lednet_mm.networks.heads import DecodeHead
from lednet_mm.networks.lightnet import ASPP, BATCH_NORM, BORDER, COMMIT, RELU, REPOSITORY

CARD = Card(
    name="sewrnetv2",
    title="SE-WideResNetV2",
    paper="none; wide residual networks: arXiv:1605.07146, arXiv:1611.10080",
    repository=REPOSITORY,
    commit=COMMIT,
    deviations=["The ASPP has a ReLU; the rest of the network has a leaky ReLU.", BORDER],
    vectors={"sewrnetv2": Vector()},
    published=["LightNet SE-WResNetV2"],
)

LEAKY_RELU = {"type": "LeakyReLU", "negative_slope": 0.1}


class PreActivationBlock(nn.Module):
    """A residual block that normalises and activates before its convolutions, not after the sum.

    Args:
        in_channels: number of channels of the input.
        channels: numbers of channels of two 3x3 convolutions, or of the 1x1, 3x3 and 1x1 convolutions of a
            bottleneck.
        stride: stride of the first convolution.
        dilation: dilation rate of the 3x3 convolutions.
        dropout_ratio: probability of zeroing a channel before a bottleneck's last convolution.
        squeeze_excitation: whether a bottleneck weights its channels.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config; None leaves it out.

    Shapes: (N, in_channels, H, W) -> (N, channels[-1], ceil(H / stride), ceil(W / stride)).
    """

    def __init__(
        self,
        in_channels: int,
        channels: Sequence[int],
        *,
        stride: int = 1,
        dilation: int = 1,
        dropout_ratio: float = 0.0,
        squeeze_excitation: bool,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        norm_act = partial(NormAct, norm_cfg=norm_cfg, act_cfg=act_cfg)
        point = partial(nn.Conv2d, kernel_size=1, bias=False)
        wide = partial(nn.Conv2d, kernel_size=3, padding=dilation, dilation=dilation, bias=False)
        bottleneck = len(channels) == 3
        first, second, last = channels[0], channels[1], channels[-1]
        self.norm_act = norm_act(in_channels)
        self.branch = nn.Sequential()
        self.branch.add_module("conv1", (point if bottleneck else wide)(in_channels, first, stride=stride))
        self.branch.add_module("norm_act2", norm_act(first))
        self.branch.add_module("conv2", wide(first, second))
        if bottleneck:
            self.branch.add_module("norm_act3", norm_act(second))
            self.branch.add_module("dropout", nn.Dropout2d(dropout_ratio))
            self.branch.add_module("conv3", point(second, last))
            if squeeze_excitation:
                self.branch.add_module("se", SqueezeExcitation(last, 16, LEAKY_RELU))
        same = stride == 1 and in_channels == last
        self.project = None if same else point(in_channels, last, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        y = self.norm_act(x)
        shortcut = x if self.project is None else self.project(y)
        return shortcut + self.branch(y)


@MODELS.register_module()
class SEWideResNetV2(BaseModule):
    """The encoder: six stages of pre-activation blocks, the last three at 1/8.

    Args:
        in_channels: number of channels of the image.
        stem_channels: number of channels of the first convolution.
        channels: numbers of channels of the convolutions in a block, one tuple per stage.
        blocks: number of blocks of every stage.
        dilations: dilation rates of the last three stages; all 1 removes the dilation.
        dropout_ratio: dropout probability in the last two stages.
        squeeze_excitation: whether the blocks of the last two stages weight their channels.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config, used after every normalisation.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 256, H/4, W/4), (N, 4096, H/8, W/8), each rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        stem_channels: int = 64,
        channels: Sequence[Sequence[int]] = (
            (128, 128),
            (256, 256),
            (512, 512),
            (512, 1024),
            (512, 1024, 2048),
            (1024, 2048, 4096),
        ),
        blocks: Sequence[int] = (3, 3, 6, 3, 1, 1),
        dilations: Sequence[int] = (2, 4, 8),
        dropout_ratio: Sequence[float] = (0.2, 0.3),
        squeeze_excitation: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = LEAKY_RELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        self.stem = nn.Conv2d(in_channels, stem_channels, 3, padding=1, bias=False)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.stages = nn.ModuleList()
        width = stem_channels
        rates = (1, 1, 1, *dilations)
        drops = (0.0, 0.0, 0.0, 0.0, *dropout_ratio)
        for i, (widths, count) in enumerate(zip(channels, blocks, strict=True)):
            stage = nn.Sequential()
            for j in range(count):
                stage.append(
                    PreActivationBlock(
                        width,
                        widths,
                        stride=2 if i == 2 and j == 0 else 1,
                        dilation=rates[i],
                        dropout_ratio=drops[i],
                        squeeze_excitation=squeeze_excitation,
                        norm_cfg=norm_cfg,
                        act_cfg=act_cfg,
                    )
                )
                width = widths[-1]
            self.stages.append(stage)
        self.norm_act = NormAct(width, norm_cfg, act_cfg)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps at 1/4 and 1/8."""
        half, quarter, *eighth = self.stages
        x = half(self.pool(self.stem(x)))
        skip = x = quarter(self.pool(x))
        for stage in eighth:
            x = stage(x)
        return skip, self.norm_act(x)


@MODELS.register_module()
class SEWideResNetHead(DecodeHead):
    """An ASPP over the deep map, joined with the reduced map at 1/4, and a 3x3 classifier.

    Args:
        in_channels: numbers of channels of the maps at 1/4 and 1/8.
        num_classes: number of classes, and so of channels of the logits.
        context_channels: number of channels of the ASPP.
        skip_channels: number of channels that the map at 1/4 is reduced to.
        dilations: dilation rates of the ASPP.
        border: zeros that the last convolution of the ASPP adds on every side.
        dropout_ratio: dropout probability of the ASPP.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config, used after every normalisation.
        align_corners: whether every bilinear resizing aligns the corners of the two maps.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, 256, h, w) and (N, 4096, h/2, w/2), rounded up -> logits (N, num_classes, h, w).
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (256, 4096),
        *,
        num_classes: int,
        context_channels: int = 512,
        skip_channels: int = 64,
        dilations: Sequence[int] = (12, 24, 36),
        border: int = 1,
        dropout_ratio: float = 0.2,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = False,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        width = context_channels + skip_channels
        super().__init__(
            in_channels, width, num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs
        )
        quarter, deep = in_channels
        self.reduce = nn.Conv2d(quarter, skip_channels, 1, bias=False)
        self.context = ASPP(
            deep,
            context_channels,
            dilations,
            border=border,
            dropout_ratio=dropout_ratio,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
        )
        self.conv_seg = nn.Conv2d(width, num_classes, 3, padding=1)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at 1/4."""
        quarter, deep = self._transform_inputs(inputs)
        context = resize_like(self.context(deep), quarter, self.align_corners)
        return self.cls_seg(torch.cat([context, self.reduce(quarter)], dim=1))
