"""SQNet: a SqueezeNet encoder, parallel dilated convolutions and a decoder with refined skip maps.

Paper: Treml et al., "Speeding up semantic segmentation for autonomous driving", NIPS workshop MLITS, 2016.
The code followed is the version in github.com/xiaoyufenfei/Efficient-Segmentation-Networks (model/SQNet.py,
commit 0f0c32e): with 19 classes it has 16.26 M parameters and 143.9 G multiply-adds at 512x1024.

* The network has no normalisation (``norm_cfg=None``); where one is given, it stands between each convolution
  and its activation.
* Where a skip map and the upsampled deep map differ in size, the first step of the decoder resizes the skip
  map and the second the deep one; the third resizes neither, so that the code refuses some sizes. Here the
  third step works like the second, with the same result at every size that it accepts.
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
    Stages,
    TransposedConvNormAct,
    make_activation,
    make_norm,
    match_size,
)
from lednet_mm.networks.heads import DecodeHead
from lednet_mm.networks.repositories import ESN, ESN_COMMIT

CARD = Card(
    name="sqnet",
    title="SQNet",
    paper="NIPS 2016 workshop MLITS",
    repository=ESN,
    commit=ESN_COMMIT,
    vectors={"sqnet": Vector()},
    published=["SQNet"],
)

ELU = {"type": "ELU"}


class Fire(nn.Module):
    """SqueezeNet's block: a narrow 1x1 convolution, then 1x1 and 3x3 convolutions concatenated.

    Args:
        in_channels: number of channels of the input map.
        squeezed: number of channels of the first convolution.
        expanded: number of channels of each of the two convolutions after it.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, in_channels, H, W) -> (N, 2 * expanded, H, W).
    """

    def __init__(
        self, in_channels: int, squeezed: int, expanded: int, *, norm_cfg: Config, act_cfg: Config
    ) -> None:
        super().__init__()
        self.squeeze = ConvNormAct(in_channels, squeezed, 1, bias=True, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.expand1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3 = nn.Conv2d(squeezed, expanded, 3, padding=1)
        self.norm = make_norm(norm_cfg, 2 * expanded)
        self.act = make_activation(act_cfg, 2 * expanded)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        x = self.squeeze(x)
        return self.act(self.norm(torch.cat([self.expand1(x), self.expand3(x)], dim=1)))


class ParallelDilated(nn.Module):
    """The sum of 3x3 convolutions of several dilations, each with its own activation.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(self, channels: int, dilations: Sequence[int], *, norm_cfg: Config, act_cfg: Config) -> None:
        super().__init__()
        unit = partial(ConvNormAct, bias=True, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.branches = nn.ModuleList([unit(channels, channels, 3, dilation=d) for d in dilations])

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of the branches."""
        first, *others = [branch(x) for branch in self.branches]
        for other in others:
            first = first + other
        return first


@MODELS.register_module()
class SQNet(BaseModule):
    """SQNet's encoder.

    Args:
        in_channels: number of channels of the image.
        stem_channels: number of channels at 1/2 of the input.
        squeezed: numbers of channels of the narrow convolutions at 1/4, 1/8 and 1/16.
        expanded: half of the number of channels at 1/4, 1/8 and 1/16.
        blocks: numbers of fire blocks at these resolutions.
        dilations: dilation rates of the parallel convolutions at the end; an empty tuple removes them.
        norm_cfg: mmcv's normalisation config; None, as in the published network, leaves it out.
        act_cfg: mmcv's activation config; a PReLU has one slope per channel.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of at least 15x15 -> maps (N, 96, H/2, W/2), (N, 128, H/4, W/4), (N, 256, H/8,
    W/8), (N, 512, H/16, W/16). Sizes at 1/2 are rounded up, smaller ones down.
    """

    def __init__(
        self,
        in_channels: int = 3,
        stem_channels: int = 96,
        squeezed: Sequence[int] = (16, 32, 64),
        expanded: Sequence[int] = (64, 128, 256),
        blocks: Sequence[int] = (2, 2, 3),
        dilations: Sequence[int] = (1, 2, 3, 4),
        norm_cfg: Config = None,
        act_cfg: Config = ELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        self.stem = ConvNormAct(
            in_channels, stem_channels, 3, stride=2, bias=True, norm_cfg=norm_cfg, act_cfg=act_cfg
        )
        stages = []
        previous = stem_channels
        for narrow, wide, count in zip(squeezed, expanded, blocks, strict=True):
            layers: list[nn.Module] = [nn.MaxPool2d(2)]
            for _ in range(count):
                layers.append(Fire(previous, narrow, wide, norm_cfg=norm_cfg, act_cfg=act_cfg))
                previous = 2 * wide
            stages.append(nn.Sequential(*layers))
        self.stages = Stages(stages)
        self.parallel: nn.Module = nn.Identity()
        if dilations:
            self.parallel = ParallelDilated(previous, dilations, norm_cfg=norm_cfg, act_cfg=act_cfg)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps at 1/2, 1/4, 1/8 and 1/16."""
        x = self.stem(x)
        *skips, deep = self.stages(x)
        return x, *skips, self.parallel(deep)


class Refinement(nn.Module):
    """Upsample the deep map by a transposed convolution and join it with a convolved skip map.

    Args:
        deep_channels: number of channels of the deep map.
        skip_channels: number of channels of the skip map, and of the upsampled deep map.
        resize_skip: whether to resize the skip map where the two sizes differ; False resizes the deep map.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: deep map (N, deep_channels, h, w), skip map (N, skip_channels, H, W) ->
    (N, 2 * skip_channels, 2h, 2w) if ``resize_skip`` else (N, 2 * skip_channels, H, W).
    """

    def __init__(
        self, deep_channels: int, skip_channels: int, *, resize_skip: bool, norm_cfg: Config, act_cfg: Config
    ) -> None:
        super().__init__()
        unit = partial(ConvNormAct, bias=True, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.resize_skip = resize_skip
        self.up = TransposedConvNormAct(deep_channels, skip_channels, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.skip = unit(skip_channels, skip_channels, 3)
        self.out = unit(2 * skip_channels, 2 * skip_channels, 3)

    def forward(self, deep: Tensor, skip: Tensor) -> Tensor:
        """Return the joined map."""
        deep, skip = self.up(deep), self.skip(skip)
        if self.resize_skip:
            skip = match_size(skip, deep, align_corners=True)
        else:
            deep = match_size(deep, skip, align_corners=True)
        return self.out(torch.cat([skip, deep], dim=1))


@MODELS.register_module()
class SQNetHead(DecodeHead):
    """SQNet's decoder: three refinements with skip maps and a transposed convolution to the classes.

    Args:
        in_channels: numbers of channels of the maps at 1/2, 1/4, 1/8 and 1/16.
        num_classes: number of classes, and so of channels of the logits.
        norm_cfg: mmcv's normalisation config; None, as in the published network, leaves it out.
        act_cfg: mmcv's activation config.
        align_corners: whether the resizing to the image's size, needed where the result has another size,
            aligns corners.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, 96, H, W), (N, 128, H/2, W/2), (N, 256, H/4, W/4), (N, 512, H/8, W/8) ->
    logits (N, num_classes, 2H, 2W).
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (96, 128, 256, 512),
        *,
        num_classes: int,
        norm_cfg: Config = None,
        act_cfg: Config = ELU,
        align_corners: bool = True,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        super().__init__(
            in_channels, 2 * in_channels[0], num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs
        )
        *skips, deep = in_channels
        steps: list[nn.Module] = []
        for width in reversed(skips):
            # The published code resizes the skip map in the first step and the deep map after it.
            steps.append(Refinement(deep, width, resize_skip=not steps, norm_cfg=norm_cfg, act_cfg=act_cfg))
            deep = 2 * width
        self.steps = nn.ModuleList(steps)
        self.classifier = nn.ConvTranspose2d(deep, num_classes, 3, stride=2, padding=1, output_padding=1)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at twice the resolution of the first map."""
        *skips, x = self._transform_inputs(inputs)
        for step, skip in zip(self.steps, reversed(skips), strict=True):
            x = step(x, skip)
        return self.classifier(x)
