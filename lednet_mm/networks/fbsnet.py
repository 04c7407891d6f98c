"""FBSNet: a symmetrical network of bottleneck residual units with a branch for spatial details.

Paper: Gao et al., IEEE Transactions on Multimedia 2022, arXiv:2109.00699. Authors' code:
github.com/XU-GITHUB-curry/FBSNet (model/FBSNet.py, commit 0b143a1). With 19 classes it has 0.607 M parameters
and 18.43 G multiply-adds at 512x1024.

* Only a map of one channel of the detail branch is used: it is added to all channels of the decoder's map.
  The paper's figure multiplies features by it.
* The shuffle at the end of a unit has as many groups as half the channels.
* The authors' code takes multiples of 8 only. Here pooled maps are padded with zeros and enlarged maps are
  cut off at the bottom and right, with the same result at every size that theirs accepts.
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
    EfficientChannelAttention,
    NormAct,
    Stages,
    TransposedConvNormAct,
    adaptive_average_pool,
    channel_shuffle,
    crop_like,
)
from lednet_mm.networks.heads import DecodeHead

CARD = Card(
    name="fbsnet",
    title="FBSNet",
    paper="arXiv:2109.00699",
    repository="github.com/XU-GITHUB-curry/FBSNet",
    commit="0b143a1",
    deviations=[
        "A map of one channel of the detail branch is added to the decoder's; the paper's figure multiplies.",
    ],
    vectors={"fbsnet": Vector()},
    published=["FBSNet"],
)

BATCH_NORM = {"type": "BN", "eps": 1e-3}
PRELU = {"type": "PReLU"}


def _attention(wanted: bool) -> nn.Module:
    return EfficientChannelAttention() if wanted else nn.Identity()


class TwoPassBranch(nn.Module):
    """Depth-wise 3x1 and 1x3 convolutions, then 1x3 and 3x1; the results of both passes are summed.

    Args:
        channels: number of channels of input and output.
        dilation: dilation rate of all convolutions.
        attention: whether channel attention stands between the passes.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(
        self, channels: int, dilation: int, *, attention: bool, norm_cfg: Config, act_cfg: Config
    ) -> None:
        super().__init__()
        unit = partial(ConvNormAct, channels, channels, groups=channels, norm_cfg=norm_cfg, act_cfg=act_cfg)

        def vertical() -> nn.Module:
            return unit((3, 1), dilation=(dilation, 1))

        def horizontal() -> nn.Module:
            return unit((1, 3), dilation=(1, dilation))

        self.first = nn.Sequential(vertical(), horizontal())
        self.attend = _attention(attention)
        self.second = nn.Sequential(horizontal(), vertical())

    def forward(self, x: Tensor) -> Tensor:
        middle = self.attend(self.first(x))
        return self.second(middle) + middle


class BottleneckResidualUnit(nn.Module):
    """Bottleneck residual unit (BRU): a local and a dilated branch at half width, with channel attention.

    Args:
        channels: number of channels of input and output, even.
        dilation: dilation rate of the second branch.
        attention: whether the unit has channel attention.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(
        self, channels: int, dilation: int, *, attention: bool, norm_cfg: Config, act_cfg: Config
    ) -> None:
        super().__init__()
        width = channels // 2
        branch = partial(TwoPassBranch, width, attention=attention, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.norm_act1 = NormAct(channels, norm_cfg, act_cfg)
        self.reduce = ConvNormAct(channels, width, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.attend_reduced = _attention(attention)
        self.local = branch(1)
        self.dilated = branch(dilation)
        self.norm_act2 = NormAct(width, norm_cfg, act_cfg)
        self.expand = nn.Conv2d(width, channels, 1, bias=False)
        self.attend = _attention(attention)

    def forward(self, x: Tensor) -> Tensor:
        reduced = self.reduce(self.norm_act1(x))
        y = self.local(reduced) + self.dilated(reduced) + self.attend_reduced(reduced)
        y = x + self.attend(self.expand(self.norm_act2(y)))
        return channel_shuffle(y, y.shape[1] // 2)


def _units(
    channels: int, dilations: Sequence[int], *, attention: bool, norm_cfg: Config, act_cfg: Config
) -> list[nn.Module]:
    """Build a stage's units, one for each dilation rate, and the normalisation and attention after them."""
    options: dict = {"attention": attention, "norm_cfg": norm_cfg, "act_cfg": act_cfg}
    units = nn.Sequential(*[BottleneckResidualUnit(channels, rate, **options) for rate in dilations])
    return [units, NormAct(channels, norm_cfg, act_cfg), _attention(attention)]


@MODELS.register_module()
class FBSNet(BaseModule):
    """FBSNet's encoder.

    Args:
        in_channels: number of channels of the image.
        channels: numbers of channels at 1/2, 1/4 and 1/8 of the input.
        dilations: dilation rates of the units at 1/2, 1/4 and 1/8, one unit for each.
        channel_attention: whether units and stages have channel attention.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config; a PReLU has one slope per channel.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 16, H/2, W/2) before and after the first units, (N, 64,
    H/4, W/4), (N, 128, H/8, W/8), each rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (16, 64, 128),
        dilations: Sequence[Sequence[int]] = (
            (1, 1, 1, 1, 1),
            (1, 2, 5, 9, 17),
            (1, 2, 5, 9, 1, 2, 5, 9, 2, 5, 9, 17, 2, 5, 9, 17),
        ),
        channel_attention: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = PRELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        unit = partial(ConvNormAct, kernel_size=3, norm_cfg=norm_cfg, act_cfg=act_cfg)
        units = partial(_units, attention=channel_attention, norm_cfg=norm_cfg, act_cfg=act_cfg)
        first = channels[0]
        stem = [
            unit(in_channels, first, stride=2),
            unit(first, first),
            unit(first, first),
            NormAct(first, norm_cfg, act_cfg),
        ]
        stages = [
            nn.Sequential(*stem),
            nn.Sequential(_attention(channel_attention), *units(first, dilations[0])),
        ]
        for inputs, outputs, rates in zip(channels, channels[1:], dilations[1:], strict=False):
            down = ConvPoolDownsample(inputs, outputs, bias=False, norm_cfg=norm_cfg, act_cfg=act_cfg)
            stages.append(nn.Sequential(down, *units(outputs, rates)))
        self.stages = Stages(stages)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps at 1/2 (before and after the first units), 1/4 and 1/8."""
        return self.stages(x)


class SpatialAttention(nn.Module):
    """A weight in (0, 1) for every position, computed from the mean and the maximum over the channels.

    Shapes: (N, C, H, W) -> (N, 1, H, W).
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the weights."""
        both = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
        return self.conv(both).sigmoid()


class CoordinateAttention(nn.Module):
    """Scale a map by weights of its rows and weights of its columns (arXiv:2103.02907).

    Args:
        channels: number of channels of input and output.
        width: number of channels of the bottleneck.
        norm_cfg: mmcv's normalisation config; None leaves it out.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(self, channels: int, width: int, *, norm_cfg: Config) -> None:
        super().__init__()
        act_cfg = {"type": "HSwish"}
        self.reduce = ConvNormAct(channels, width, 1, bias=True, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.rows = nn.Conv2d(width, channels, 1)
        self.columns = nn.Conv2d(width, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        height = x.shape[2]
        rows = adaptive_average_pool(x, (None, 1))
        columns = adaptive_average_pool(x, (1, None)).transpose(2, 3)
        y = self.reduce(torch.cat([rows, columns], dim=2))
        of_rows = self.rows(y[:, :, :height]).sigmoid()
        of_columns = self.columns(y[:, :, height:].transpose(2, 3)).sigmoid()
        return x * of_columns * of_rows


@MODELS.register_module()
class FBSNetHead(DecodeHead):
    """FBSNet's decoder: units after each upsampling, the detail branch, attention, a transposed convolution.

    Args:
        in_channels: number of channels of the map at 1/2 that the detail branch takes, and of the deepest
            map.
        num_classes: number of classes, and so of channels of the logits.
        widths: numbers of channels after each upsampling.
        blocks: number of units after each upsampling.
        detail_channels: number of channels of the widest map of the detail branch.
        detail_branch: whether the detail branch's spatial attention is added to the decoder's map.
        channel_attention: whether the units have channel attention.
        coordinate_attention: whether rows and columns are weighted before the last convolution.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        coordinate_eps: epsilon of the coordinate attention's normalisation.
        act_cfg: mmcv's activation config.
        align_corners: whether the resizing to the image's size, needed where the result has another size,
            aligns corners.
        in_index: indices of the two maps among the backbone's.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, 16, H, W) and (N, 128, h, w) -> logits (N, num_classes, 2H, 2W).
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (16, 128),
        *,
        num_classes: int,
        widths: Sequence[int] = (64, 32),
        blocks: int = 3,
        detail_channels: int = 128,
        detail_branch: bool = True,
        channel_attention: bool = True,
        coordinate_attention: bool = True,
        norm_cfg: Config = BATCH_NORM,
        coordinate_eps: float = 1e-5,
        act_cfg: Config = PRELU,
        align_corners: bool = False,
        init_cfg: Config = None,
        in_index: Sequence[int] = (0, -1),
        **kwargs,
    ) -> None:
        last = widths[-1]
        super().__init__(
            in_channels, last, num_classes, norm_cfg, act_cfg, align_corners, init_cfg, in_index, **kwargs
        )
        units = partial(_units, attention=channel_attention, norm_cfg=norm_cfg, act_cfg=act_cfg)
        up = partial(TransposedConvNormAct, norm_cfg=norm_cfg, act_cfg={"type": "ReLU6"})
        fine, deep = in_channels
        self.ups = nn.Sequential(
            *[
                nn.Sequential(up(inputs, outputs), *units(outputs, [1] * blocks))
                for inputs, outputs in zip([deep, *widths], widths, strict=False)
            ]
        )
        self.detail = None
        if detail_branch:
            unit = partial(ConvNormAct, kernel_size=3, norm_cfg=norm_cfg, act_cfg=act_cfg)
            wide = [unit(fine, last), unit(last, detail_channels), unit(detail_channels, last)]
            self.detail = nn.Sequential(*wide, SpatialAttention())
        self.norm_act = NormAct(last, norm_cfg, act_cfg)
        self.attend: nn.Module = nn.Identity()
        if coordinate_attention:
            eps = None if norm_cfg is None else {**norm_cfg, "eps": coordinate_eps}
            self.attend = CoordinateAttention(last, last // 4, norm_cfg=eps)
        self.classifier = nn.ConvTranspose2d(last, num_classes, 2, stride=2)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at twice the resolution of the first map."""
        fine, deep = self._transform_inputs(inputs)
        x = crop_like(self.ups(deep), fine)
        if self.detail is not None:
            x = x + self.detail(fine)
        return self.classifier(self.attend(self.norm_act(x)))
