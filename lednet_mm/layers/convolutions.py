"""Convolutions with their normalisation and activation."""

from __future__ import annotations

from mmcv.cnn import build_conv_layer
from torch import nn

from lednet_mm.layers.building import Config, Size, make_activation, make_norm, pair


class ConvNormAct(nn.Sequential):
    """Convolution, normalisation, activation, named ``conv``, ``norm``, ``act``.

    Args:
        in_channels: number of channels of the input map.
        out_channels: number of channels of the output map.
        kernel_size: size of the kernel, one number or (height, width).
        stride: stride of the convolution, one number or (height, width).
        padding: zero padding, one number or (height, width); None means ``dilation * (kernel - 1) // 2``,
            which keeps the size at stride 1.
        dilation: dilation rate, one number or (height, width).
        groups: number of channel groups of the convolution.
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


class NormActConv(nn.Sequential):
    """Normalisation, activation, convolution, named ``norm``, ``act``, ``conv``.

    Args:
        in_channels: number of channels of the input map.
        out_channels: number of channels of the output map.
        kernel_size: size of the kernel, an odd number; the padding keeps the size.
        groups: number of channel groups of the convolution.
        bias: whether the convolution has a bias.
        norm_cfg: mmcv's normalisation config; None leaves the normalisation out.
        act_cfg: mmcv's activation config; None leaves the activation out.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, H, W).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        groups: int = 1,
        bias: bool = False,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        self.norm = make_norm(norm_cfg, in_channels)
        self.act = make_activation(act_cfg, in_channels)
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, padding=kernel_size // 2, groups=groups, bias=bias
        )


class DepthwiseSeparable(nn.Sequential):
    """Depth-wise convolution, then a 1x1 convolution, each with norm and activation (``depth``, ``point``).

    Args:
        in_channels: number of channels of the input map.
        out_channels: number of channels of the output map.
        kernel_size: kernel size of the depth-wise convolution.
        stride: stride of the depth-wise convolution.
        dilation: dilation rate of the depth-wise convolution.
        point_bias: whether the 1x1 convolution has a bias.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config, used after both convolutions; None leaves it out.

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


def factor_conv(
    channels: int, kernel_size: int = 3, dilation: int = 1, *, vertical: bool, bias: bool = True
) -> nn.Conv2d:
    """Build one factor of a kxk convolution: a kx1 or a 1xk convolution that keeps channels and size.

    Args:
        channels: number of channels of input and output.
        kernel_size: kernel size k, an odd number.
        dilation: dilation rate along the long side.
        vertical: whether it is the kx1 convolution.
        bias: whether the convolution has a bias.
    """
    k, d, p = kernel_size, dilation, dilation * (kernel_size // 2)
    kernel, padding, rates = ((k, 1), (p, 0), (d, 1)) if vertical else ((1, k), (0, p), (1, d))
    return nn.Conv2d(channels, channels, kernel, padding=padding, dilation=rates, bias=bias)


class FactorizedConv(nn.Sequential):
    """A kxk convolution factorised into a kx1 and a 1xk convolution, with an optional activation between.

    Args:
        channels: number of channels of input and output.
        kernel_size: kernel size k, an odd number.
        dilation: dilation rate of both convolutions, along their long sides.
        bias: whether the convolutions have a bias.
        act_cfg: mmcv's activation config; None leaves it out.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(
        self, channels: int, kernel_size: int = 3, dilation: int = 1, *, bias: bool = True, act_cfg: Config
    ) -> None:
        super().__init__()
        self.vertical = factor_conv(channels, kernel_size, dilation, vertical=True, bias=bias)
        if act_cfg is not None:
            self.act = make_activation(act_cfg, channels)
        self.horizontal = factor_conv(channels, kernel_size, dilation, vertical=False, bias=bias)


def square_conv(
    channels: int, kernel_size: int = 3, dilation: int = 1, *, factorized: bool, act_cfg: Config
) -> nn.Module:
    """Build a kxk convolution with a bias that keeps channels and size, either whole or factorised.

    Args:
        channels: number of channels of input and output.
        kernel_size: kernel size k, an odd number.
        dilation: dilation rate of the convolution.
        factorized: whether to build a :class:`FactorizedConv` instead of one kxk convolution.
        act_cfg: mmcv's activation config, for the activation between the factors; None leaves it out.
    """
    if factorized:
        return FactorizedConv(channels, kernel_size, dilation, act_cfg=act_cfg)
    padding = dilation * (kernel_size // 2)
    return nn.Conv2d(channels, channels, kernel_size, padding=padding, dilation=dilation)


class TransposedConvNormAct(nn.Sequential):
    """Upsample by a transposed convolution of kernel ``2 * scale - 1``, then apply norm and activation.

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
