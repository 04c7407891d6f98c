"""Blocks that several networks truly share; what only one network has stays in that network's file."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmcv.cnn import build_activation_layer, build_conv_layer, build_norm_layer
from torch import Tensor, nn
from torch.nn import functional as F

Config = dict | None
Size = int | tuple[int, int]


def pair(size: Size) -> tuple[int, int]:
    """Turn one number into (height, width); a pair stays as it is."""
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def make_norm(norm_cfg: Config, channels: int) -> nn.Module:
    """Build a normalisation layer for ``channels`` maps; None gives the identity."""
    return nn.Identity() if norm_cfg is None else build_norm_layer(norm_cfg, channels)[1]


def make_activation(act_cfg: Config, channels: int) -> nn.Module:
    """Build an activation of its own for each place that asks; None gives the identity.

    A PReLU gets one slope a channel, as in the papers of this field, unless ``num_parameters`` is given.
    """
    if act_cfg is None:
        return nn.Identity()
    if act_cfg["type"] == "PReLU":
        return build_activation_layer({"num_parameters": channels, **act_cfg})
    return build_activation_layer(dict(act_cfg))


class ConvNormAct(nn.Sequential):
    """Convolution, normalisation, activation, named ``conv``, ``norm``, ``act``.

    Args:
        in_channels: channels of the input map.
        out_channels: channels of the output map.
        kernel_size: one number, or (height, width).
        stride: one number, or (height, width).
        padding: None keeps the size at stride 1: ``dilation * (kernel - 1) // 2``.
        dilation: one number, or (height, width).
        groups: channel groups of the convolution.
        bias: whether the convolution has a bias.
        conv_cfg: mmcv's convolution config; None is ``Conv2d``.
        norm_cfg: mmcv's normalisation config; None leaves the normalisation out.
        act_cfg: mmcv's activation config; None leaves the activation out.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)) for odd kernels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        *,
        stride: Size = 1,
        padding: Size | None = None,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = False,
        conv_cfg: Config = None,
        norm_cfg: Config = None,
        act_cfg: Config = None,
    ) -> None:
        super().__init__()
        if padding is None:
            (kh, kw), (dh, dw) = pair(kernel_size), pair(dilation)
            padding = (dh * (kh - 1) // 2, dw * (kw - 1) // 2)
        self.conv = build_conv_layer(
            conv_cfg, in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias
        )
        if norm_cfg is not None:
            self.norm = make_norm(norm_cfg, out_channels)
        if act_cfg is not None:
            self.act = make_activation(act_cfg, out_channels)


class NormAct(nn.Sequential):
    """Normalisation, then activation, named ``norm`` and ``act``, where no convolution stands before them.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(self, channels: int, norm_cfg: Config, act_cfg: Config) -> None:
        super().__init__()
        self.norm = make_norm(norm_cfg, channels)
        self.act = make_activation(act_cfg, channels)


class ConvPoolDownsample(nn.Module):
    """Halve the resolution: a strided 3x3 convolution beside a 2x2 max pooling, concatenated.

    The block of ENet's and ERFNet's line, used by LEDNet and ESNet in this form: the convolution makes
    ``out_channels - in_channels`` maps, the pooled input is appended, then norm and activation over all.
    For an odd height or width the pooled map is one short and is padded with zeros at the bottom or right.

    Args:
        in_channels: channels of the input map.
        out_channels: channels of the output map, more than ``in_channels``.
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
        """Return the map at half resolution."""
        convolved = self.conv(x)
        return self.act(self.norm(torch.cat([convolved, pad_like(self.pool(x), convolved)], dim=1)))


class DownsampleUnit(nn.Module):
    """Halve the resolution: a strided 3x3 convolution with norm and activation beside a 3x3 max pooling.

    Differs from :class:`ConvPoolDownsample` in that the pooled input, which is appended to the convolution's
    ``out_channels - in_channels`` maps, passes neither norm nor activation.

    Args:
        in_channels: channels of the input map.
        out_channels: channels of the output map, more than ``in_channels``.
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
        """Return the map at half resolution."""
        return torch.cat([self.conv(x), self.pool(x)], dim=1)


class ImagePyramid(nn.Module):
    """The image at 1/2, 1/4, 1/8 ... of its size, each a 3x3 average pooling of the one before.

    The zeros of the padding count in the mean.

    Args:
        levels: number of sizes.

    Shapes: (N, C, H, W) -> [(N, C, H/2, W/2), (N, C, H/4, W/4), ...], each rounded up.
    """

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.levels = levels
        self.pool = nn.AvgPool2d(3, stride=2, padding=1)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the shrunken images, the largest first."""
        images = []
        for _ in range(self.levels):
            image = self.pool(image)
            images.append(image)
        return images


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """Interleave the channels of ``groups`` groups: (N, C, H, W) -> (N, C, H, W) (ShuffleNet)."""
    # Sizes by name: a trace writes those that ``unflatten`` finds out down as constants.
    n, channels, height, width = x.shape
    grouped = x.reshape(n, groups, channels // groups, height, width)
    return grouped.transpose(1, 2).reshape(n, channels, height, width)


def resize_like(x: Tensor, reference: Tensor, align_corners: bool) -> Tensor:
    """Resize ``x`` bilinearly to the height and width of ``reference``."""
    return F.interpolate(x, size=reference.shape[2:], mode="bilinear", align_corners=align_corners)


def match_size(x: Tensor, reference: Tensor, align_corners: bool) -> Tensor:
    """Resize ``x`` bilinearly where its height and width are not yet those of ``reference``."""
    # A trace must resize for every size, so that an exported network takes any; a plain run skips the copy.
    if torch.jit.is_tracing() or x.shape[2:] != reference.shape[2:]:
        return resize_like(x, reference, align_corners)
    return x


def crop_like(x: Tensor, reference: Tensor) -> Tensor:
    """Cut off the rows at the bottom and columns at the right that ``reference`` does not have."""
    return x[:, :, : reference.shape[2], : reference.shape[3]]


def pad_like(x: Tensor, reference: Tensor) -> Tensor:
    """Append the rows at the bottom and columns at the right that ``x`` lacks to ``reference``, as zeros."""
    bottom = reference.shape[2] - x.shape[2]
    right = reference.shape[3] - x.shape[3]
    # A trace must pad for every size, so that an exported network takes any; a plain run skips the copy.
    return F.pad(x, (0, right, 0, bottom)) if torch.jit.is_tracing() or bottom or right else x


def unpool(x: Tensor, indices: Tensor, size: Sequence[int]) -> Tensor:
    """Put every value where max pooling found it, zeros elsewhere.

    Does what ``F.max_unpool2d`` does where the pooling windows do not overlap, and exports to ONNX.

    Args:
        x: (N, C, h, w).
        indices: of ``F.max_pool2d``, of the shape of ``x``.
        size: height and width of the map that was pooled.

    Returns:
        (N, C, *size).
    """
    n, channels = x.shape[:2]
    zeros = x.new_zeros(n, channels, size[0] * size[1])
    return zeros.scatter(2, indices.flatten(2), x.flatten(2)).reshape(n, channels, size[0], size[1])


def _bin_averages(length: int, bins: int) -> Tensor:
    """Return adaptive average pooling of one axis as a matrix of shape (bins, length)."""
    k = torch.arange(bins)[:, None]
    position = torch.arange(length)
    inside = (position >= k * length // bins) & (position < ((k + 1) * length + bins - 1) // bins)
    return inside / inside.sum(dim=1, keepdim=True)


def adaptive_average_pool(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Average ``x`` over a grid of ``size`` bins: (N, C, H, W) -> (N, C, *size).

    ONNX has no adaptive pooling: a trace gets it as two matrix products, which take maps of any size.
    """
    if not torch.jit.is_tracing():
        return F.adaptive_avg_pool2d(x, size)
    rows, columns = (_bin_averages(*axis).to(x) for axis in zip(x.shape[2:], size, strict=True))
    return rows @ x @ columns.transpose(0, 1)


class FactorizedConv(nn.Sequential):
    """A kxk convolution as a kx1 and a 1xk convolution, with an activation between or none.

    Args:
        channels: channels of input and output.
        kernel_size: k, odd.
        dilation: of both, along their long sides.
        bias: whether the convolutions have a bias.
        act_cfg: mmcv's activation config; None leaves it out.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(
        self, channels: int, kernel_size: int = 3, dilation: int = 1, *, bias: bool = True, act_cfg: Config
    ) -> None:
        super().__init__()
        k, d, p = kernel_size, dilation, dilation * (kernel_size // 2)
        self.vertical = nn.Conv2d(channels, channels, (k, 1), padding=(p, 0), dilation=(d, 1), bias=bias)
        if act_cfg is not None:
            self.act = make_activation(act_cfg, channels)
        self.horizontal = nn.Conv2d(channels, channels, (1, k), padding=(0, p), dilation=(1, d), bias=bias)


class SqueezeExcitation(nn.Module):
    """Scale every channel by a weight in (0, 1) that follows from all channels' means (arXiv:1709.01507).

    Args:
        channels: channels of input and output.
        reduction: the weights follow from ``channels // reduction`` values.
        act_cfg: activation of these values.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(self, channels: int, reduction: int, act_cfg: Config) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels // reduction)
        self.act = make_activation(act_cfg, channels // reduction)
        self.excite = nn.Linear(channels // reduction, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scaled map."""
        weights = self.excite(self.act(self.squeeze(x.mean(dim=(2, 3))))).sigmoid()
        return x * weights[:, :, None, None]


class DepthwiseSeparable(nn.Sequential):
    """Depth-wise convolution, then a 1x1 convolution, each with norm and activation (``depth``, ``point``).

    Args:
        in_channels: channels of the input map.
        out_channels: channels of the output map.
        kernel_size: of the depth-wise convolution.
        stride: of the depth-wise convolution.
        dilation: of the depth-wise convolution.
        point_bias: whether the 1x1 convolution has a bias.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: activation after both convolutions; None leaves it out.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size = 3,
        *,
        stride: Size = 1,
        dilation: Size = 1,
        point_bias: bool = False,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        self.depth = ConvNormAct(
            in_channels,
            in_channels,
            kernel_size,
            stride=stride,
            dilation=dilation,
            groups=in_channels,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
        )
        self.point = ConvNormAct(
            in_channels, out_channels, 1, bias=point_bias, norm_cfg=norm_cfg, act_cfg=act_cfg
        )


class TransposedConvNormAct(nn.Sequential):
    """Upsampling by a transposed convolution of kernel ``2 * scale - 1``, then norm and activation.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, scale * H, scale * W).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        scale: int = 2,
        *,
        bias: bool = True,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(
            in_channels, out_channels, 2 * scale - 1, scale, scale - 1, output_padding=scale - 1, bias=bias
        )
        self.norm = make_norm(norm_cfg, out_channels)
        self.act = make_activation(act_cfg, out_channels)
