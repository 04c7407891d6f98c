"""MobileNetV3, the backbone of CABiNet and LR-ASPP (Howard et al., ICCV 2019, arXiv:1905.02244)."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.layers import Config, ConvNormAct, hard_sigmoid, make_activation

HARD_SWISH = {"type": "HSwish"}
RELU = {"type": "ReLU"}

BLOCKS = {
    "large": (
        (3, 16, 16, False, False, 1),
        (3, 64, 24, False, False, 2),
        (3, 72, 24, False, False, 1),
        (5, 72, 40, True, False, 2),
        (5, 120, 40, True, False, 1),
        (5, 120, 40, True, False, 1),
        (3, 240, 80, False, True, 2),
        (3, 200, 80, False, True, 1),
        (3, 184, 80, False, True, 1),
        (3, 184, 80, False, True, 1),
        (3, 480, 112, True, True, 1),
        (3, 672, 112, True, True, 1),
        (5, 672, 160, True, True, 2),
        (5, 960, 160, True, True, 1),
        (5, 960, 160, True, True, 1),
    ),
    "small": (
        (3, 16, 16, True, False, 2),
        (3, 72, 24, False, False, 2),
        (3, 88, 24, False, False, 1),
        (5, 96, 40, True, True, 2),
        (5, 240, 40, True, True, 1),
        (5, 240, 40, True, True, 1),
        (5, 120, 48, True, True, 1),
        (5, 144, 48, True, True, 1),
        (5, 288, 96, True, True, 2),
        (5, 576, 96, True, True, 1),
        (5, 576, 96, True, True, 1),
    ),
}
"""By size, of each block: kernel size, width, output, whether channels are weighted, whether the activation
is a hard swish (otherwise a ReLU), and stride."""


def divisible(value: float, divisor: int = 8) -> int:
    """Round to a multiple of ``divisor``, which is at least 0.9 times the value."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


class HardExcitation(nn.Module):
    """Scale every channel by a hard sigmoid of values computed from the means of all channels.

    Args:
        channels: number of channels of input and output.
        linear: whether its two layers are linear; False makes them 1x1 convolutions, which compute the same.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(self, channels: int, *, linear: bool) -> None:
        super().__init__()
        width = divisible(channels / 4) if linear else divisible(channels // 4)
        self.linear = linear
        if linear:
            self.squeeze: nn.Module = nn.Linear(channels, width)
            self.excite: nn.Module = nn.Linear(width, channels)
        else:
            self.squeeze = nn.Conv2d(channels, width, 1)
            self.excite = nn.Conv2d(width, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        means = F.adaptive_avg_pool2d(x, 1)
        if self.linear:
            means = means.flatten(1)
        scores = self.excite(F.relu(self.squeeze(means)))
        # Their gradients differ by 1e-8 in float64; each is what one of the two codes has.
        weights = hard_sigmoid(scores) if self.linear else F.hardsigmoid(scores)
        return x * weights.reshape(x.shape[0], x.shape[1], 1, 1)


class MobileBlock(nn.Module):
    """MobileNetV3's block: 1x1 expansion, depth-wise convolution, channel weights, 1x1 projection.

    Args:
        in_channels: number of channels of the input.
        width: number of channels of the depth-wise convolution; without expansion if it is that of the input.
        out_channels: number of channels of the output.
        kernel_size: kernel size of the depth-wise convolution.
        stride: stride of the depth-wise convolution.
        dilation: dilation rate of the depth-wise convolution.
        excitation: the layer that weights the channels; None leaves it out.
        excitation_first: whether it stands before the activation of the depth-wise convolution.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int,
        dilation: int,
        excitation: nn.Module | None,
        excitation_first: bool,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        self.residual = stride == 1 and in_channels == out_channels
        self.expand: nn.Module = nn.Identity()
        if width != in_channels:
            self.expand = ConvNormAct(in_channels, width, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.depth = ConvNormAct(
            width, width, kernel_size, stride=stride, dilation=dilation, groups=width, norm_cfg=norm_cfg
        )
        act = make_activation(act_cfg, width)
        weigh = excitation or nn.Identity()
        self.weigh = nn.Sequential(weigh, act) if excitation_first else nn.Sequential(act, weigh)
        self.project = ConvNormAct(width, out_channels, 1, norm_cfg=norm_cfg)

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.weigh(self.depth(self.expand(x))))
        return x + y if self.residual else y


class MobileNetV3(BaseModule):
    """MobileNetV3 with its last 1x1 convolution.

    Args:
        in_channels: number of channels of the image.
        size: name of the blocks in ``BLOCKS``.
        dilated: number of blocks at the end that are dilated by 2 and not
            strided.
        out_indices: indices of the blocks whose maps are returned; that of the last 1x1 convolution follows.
        linear_excitation: whether channel weights are computed by linear layers (see
            :class:`HardExcitation`).
        excitation_first: whether a block with expansion weights its channels before the activation.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> the chosen maps, and (N, 6 * last block's output, ...).
    """

    def __init__(
        self,
        in_channels: int = 3,
        size: str = "large",
        dilated: int = 0,
        out_indices: Sequence[int] = (),
        *,
        linear_excitation: bool,
        excitation_first: bool,
        norm_cfg: Config,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        self.out_indices = tuple(out_indices)
        self.stem = ConvNormAct(in_channels, 16, 3, stride=2, norm_cfg=norm_cfg, act_cfg=HARD_SWISH)
        self.blocks = nn.ModuleList()
        width = 16
        blocks = BLOCKS[size]
        for i, (kernel, inner, outputs, weighted, swish, stride) in enumerate(blocks):
            dilation = 2 if i >= len(blocks) - dilated else 1
            self.blocks.append(
                MobileBlock(
                    width,
                    inner,
                    outputs,
                    kernel,
                    stride=1 if dilation > 1 else stride,
                    dilation=dilation,
                    excitation=HardExcitation(inner, linear=linear_excitation) if weighted else None,
                    excitation_first=excitation_first and inner != width,
                    norm_cfg=norm_cfg,
                    act_cfg=HARD_SWISH if swish else RELU,
                )
            )
            width = outputs
        self.last = ConvNormAct(width, 6 * width, 1, norm_cfg=norm_cfg, act_cfg=HARD_SWISH)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the chosen maps, and that of the last convolution."""
        x = self.stem(x)
        maps = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in self.out_indices:
                maps.append(x)
        return (*maps, self.last(x))
