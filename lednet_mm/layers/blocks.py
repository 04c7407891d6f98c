"""Blocks of several convolutions, and how blocks are strung together."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.layers.building import Config, make_activation, make_norm
from lednet_mm.layers.convolutions import ConvNormAct
from lednet_mm.layers.resizing import pad_like, resize_like


class ConvPoolDownsample(nn.Module):
    """Halve the resolution: a strided 3x3 convolution beside a 2x2 max pooling, concatenated.

    ENet introduced this block; ERFNet, LEDNet and ESNet use this form of it. The convolution makes
    ``out_channels - in_channels`` maps, the pooled input is appended, and norm and activation follow. For an
    odd height or width the pooled map is one row or column short and is padded with zeros at the bottom or
    right.

    Args:
        in_channels: number of channels of the input map.
        out_channels: number of channels of the output map, more than ``in_channels``.
        bias: whether the convolution has a bias.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, ceil(H/2), ceil(W/2)).
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, bias: bool = True, norm_cfg: Config, act_cfg: Config
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels - in_channels, 3, stride=2, padding=1, bias=bias)
        self.pool = nn.MaxPool2d(2, stride=2)
        self.norm = make_norm(norm_cfg, out_channels)
        self.act = make_activation(act_cfg, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        convolved = self.conv(x)
        return self.act(self.norm(torch.cat([convolved, pad_like(self.pool(x), convolved)], dim=1)))


class DownsampleUnit(nn.Module):
    """Halve the resolution: a strided 3x3 convolution with norm and activation beside a 3x3 max pooling.

    It differs from :class:`ConvPoolDownsample` in that the pooled input, which is appended to the
    convolution's ``out_channels - in_channels`` maps, passes neither norm nor activation.

    Args:
        in_channels: number of channels of the input map.
        out_channels: number of channels of the output map, more than ``in_channels``.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config; None leaves it out.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, ceil(H/2), ceil(W/2)).
    """

    def __init__(self, in_channels: int, out_channels: int, *, norm_cfg: Config, act_cfg: Config) -> None:
        super().__init__()
        self.conv = ConvNormAct(
            in_channels, out_channels - in_channels, 3, stride=2, norm_cfg=norm_cfg, act_cfg=act_cfg
        )
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.conv(x), self.pool(x)], dim=1)


class BasicBlock(nn.Module):
    """ResNet's block of two 3x3 convolutions.

    Args:
        in_channels: number of channels of the input map.
        out_channels: number of channels of the output map.
        stride: stride of the first convolution; above 1, or where the number of channels changes, the
            shortcut is a strided 1x1 convolution with norm.
        dilation: dilation rate of the second convolution.
        bias: whether the convolutions have a bias.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's config of the activation after the first convolution.
        last_act_cfg: mmcv's config of the activation after the sum; None leaves it out, and ``same`` is
            ``act_cfg``.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        *,
        dilation: int = 1,
        bias: bool = False,
        norm_cfg: Config,
        act_cfg: Config,
        last_act_cfg: Config | Literal["same"] = "same",
    ) -> None:
        super().__init__()
        unit = partial(ConvNormAct, bias=bias, norm_cfg=norm_cfg)
        self.conv1 = unit(in_channels, out_channels, 3, stride=stride, act_cfg=act_cfg)
        self.conv2 = unit(out_channels, out_channels, 3, dilation=dilation)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or in_channels != out_channels:
            self.shortcut = unit(in_channels, out_channels, 1, stride=stride)
        self.act = make_activation(act_cfg if last_act_cfg == "same" else last_act_cfg, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.shortcut(x) + self.conv2(self.conv1(x)))


class Bottleneck(nn.Module):
    """ResNet's block of a 1x1, a 3x3 and a 1x1 convolution.

    Args:
        in_channels: number of channels of the input map.
        width: number of channels of the 3x3 convolution.
        out_channels: number of channels of the output map.
        stride: stride of the 3x3 convolution; above 1, or where the number of channels changes, the shortcut
            is a strided 1x1 convolution with norm.
        dilation: dilation rate of the 3x3 convolution.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's config of the activations after the first two convolutions.
        last_act_cfg: mmcv's config of the activation after the sum; None leaves it out, and ``same`` is
            ``act_cfg``.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        out_channels: int,
        stride: int = 1,
        *,
        dilation: int = 1,
        norm_cfg: Config,
        act_cfg: Config,
        last_act_cfg: Config | Literal["same"] = "same",
    ) -> None:
        super().__init__()
        unit = partial(ConvNormAct, norm_cfg=norm_cfg)
        self.conv1 = unit(in_channels, width, 1, act_cfg=act_cfg)
        self.conv2 = unit(width, width, 3, stride=stride, dilation=dilation, act_cfg=act_cfg)
        self.conv3 = unit(width, out_channels, 1)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or in_channels != out_channels:
            self.shortcut = unit(in_channels, out_channels, 1, stride=stride)
        self.act = make_activation(act_cfg if last_act_cfg == "same" else last_act_cfg, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.shortcut(x) + self.conv3(self.conv2(self.conv1(x))))


def basic_blocks(
    in_channels: int,
    out_channels: int,
    count: int,
    stride: int = 1,
    *,
    last_act_cfg: Config | Literal["same"] = "same",
    **options: Any,
) -> nn.Sequential:
    """Build a row of :class:`BasicBlock`; only the first one changes size and number of channels.

    Args:
        in_channels: number of channels of the input map.
        out_channels: number of channels of the output map.
        count: number of blocks.
        stride: stride of the first block.
        last_act_cfg: mmcv's config of the activation after the last block's sum; None leaves it out, and
            ``same`` is the other blocks'.
        options: further arguments of every block.
    """
    blocks = []
    for i in range(count):
        own: dict[str, Any] = {"last_act_cfg": last_act_cfg, **options} if i == count - 1 else options
        blocks.append(BasicBlock(out_channels if i else in_channels, out_channels, 1 if i else stride, **own))
    return nn.Sequential(*blocks)


class InvertedResidual(nn.Module):
    """MobileNetV2's block: 1x1 expansion, depth-wise convolution, 1x1 projection; a shortcut if shapes allow.

    Args:
        in_channels: number of channels of the input.
        out_channels: number of channels of the output.
        expansion: ratio of the depth-wise convolution's width to ``in_channels``; None means 1 and leaves out
            the 1x1 convolution before it.
        kernel_size: kernel size of the depth-wise convolution.
        stride: stride of the depth-wise convolution.
        dilation: dilation rate of the depth-wise convolution.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config; None leaves it out.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        expansion: int | None,
        *,
        kernel_size: int = 3,
        stride: int = 1,
        dilation: int = 1,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        width = in_channels * (expansion or 1)
        self.shortcut = stride == 1 and in_channels == out_channels
        self.expand: nn.Module = nn.Identity()
        if expansion is not None:
            self.expand = ConvNormAct(in_channels, width, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.depth = ConvNormAct(
            width,
            width,
            kernel_size,
            stride=stride,
            dilation=dilation,
            groups=width,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
        )
        self.project = ConvNormAct(width, out_channels, 1, norm_cfg=norm_cfg)

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depth(self.expand(x)))
        return x + y if self.shortcut else y


class SqueezeExcitation(nn.Module):
    """Scale every channel by a weight in (0, 1) computed from the means of all channels (arXiv:1709.01507).

    Args:
        channels: number of channels of input and output.
        reduction: factor by which the bottleneck narrows: it has ``channels // reduction`` values.
        act_cfg: mmcv's config of the activation of these values.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(self, channels: int, reduction: int, act_cfg: Config) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels // reduction)
        self.act = make_activation(act_cfg, channels // reduction)
        self.excite = nn.Linear(channels // reduction, channels)

    def forward(self, x: Tensor) -> Tensor:
        weights = self.excite(self.act(self.squeeze(x.mean(dim=(2, 3))))).sigmoid()
        return x * weights[:, :, None, None]


class EfficientChannelAttention(nn.Module):
    """Scale every channel by a weight in (0, 1) computed from the means of its neighbours (arXiv:1910.03151).

    Args:
        kernel_size: number of neighbouring channels that a weight depends on, an odd number.

    Shapes: (N, C, H, W) -> (N, C, H, W).
    """

    def __init__(self, kernel_size: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, kernel_size, padding=kernel_size // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        means = F.adaptive_avg_pool2d(x, 1).squeeze(3).transpose(1, 2)  # (N, 1, C)
        return x * self.conv(means).sigmoid().transpose(1, 2).unsqueeze(3)


def hard_sigmoid(x: Tensor) -> Tensor:
    """Return ``relu6(x + 3) / 6``; PyTorch's own has a gradient that is only right to 1e-8 in float64."""
    return F.relu6(x + 3) / 6


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """Interleave the channels of ``groups`` groups: (N, C, H, W) -> (N, C, H, W) (ShuffleNet)."""
    # Name every size: a trace would record those that ``unflatten`` infers as constants.
    n, channels, height, width = x.shape
    grouped = x.reshape(n, groups, channels // groups, height, width)
    return grouped.transpose(1, 2).reshape(n, channels, height, width)


class Stages(nn.ModuleList):
    """Modules that run one after the other and return the outputs of all of them, in order.

    Shapes: those of the modules.
    """

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs of all modules, in order."""
        maps = []
        for module in self:
            x = module(x)
            maps.append(x)
        return tuple(maps)


def pyramid_attention(pyramid: Any, x: Tensor, align_corners: bool) -> Tensor:
    """Apply LEDNet's attention pyramid: halve the resolution three times, then resize back up with sums.

    Args:
        pyramid: module with the layers ``down1`` to ``down3``, each of which halves the resolution, and
            ``lateral1`` to ``lateral3``, which compute each level's contribution to the result.
        x: map (N, C, h, w) of any size.
        align_corners: whether every bilinear resizing aligns the corners of the two maps.

    Returns:
        (N, channels of the pyramid, h, w).
    """
    x1 = pyramid.down1(x)
    x2 = pyramid.down2(x1)
    x3 = pyramid.down3(x2)
    y = resize_like(pyramid.lateral3(x3), x2, align_corners) + pyramid.lateral2(x2)
    y = resize_like(y, x1, align_corners) + pyramid.lateral1(x1)
    return resize_like(y, x, align_corners)
