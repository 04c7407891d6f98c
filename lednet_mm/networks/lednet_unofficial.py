"""The unofficial LEDNet: a re-implementation from the paper that became a network of its own.

Paper of LEDNet: Wang et al., ICIP 2019, arXiv:1905.02423. Code followed:
github.com/aniket-agarwal1999/LEDNet (model/net.py and model/ops.py, commit a4b8fc7); its ``return_model``
builds it as ``lednet_128`` or ``lednet_256``, which differ in nothing but the size of image they accept. Here
one network takes any size. With 22 classes it has 2.286 M parameters.

It differs from the authors' LEDNet in more than its README says:

* The downsampling has no normalisation.
* One PReLU with a single slope serves all activations of a block, and another one each downsampling.
* A branch has no activation after its first convolution, and one after its last.
* The halves of a block are shuffled in 4 groups at 1/2 and 1/4, and in 8 groups at 1/8, not in 2.
* The attention pyramid's kernels grow with depth (3, 5, 7), it has 128 channels, and its levels pass 1x1
  convolutions.
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
    ConvPoolDownsample,
    Stages,
    channel_shuffle,
    factor_conv,
    make_activation,
    make_norm,
)

CARD = Card(
    name="lednet_unofficial",
    title="LEDNet (unofficial)",
    paper="arXiv:1905.02423",
    repository="github.com/aniket-agarwal1999/LEDNet",
    commit="a4b8fc7",
    deviations=[
        "The downsampling has no normalisation.",
        "All activations of a block are one PReLU with a single slope.",
        "A branch has no activation after its first convolution, and one after its last.",
        "Channels are shuffled in 4 and 8 groups.",
        "The pyramid's kernels grow with depth, and it has 128 channels.",
    ],
    vectors={
        "lednet_unofficial_128": Vector(),
        "lednet_unofficial_256": Vector(title="LEDNet (unofficial), built for 256x256"),
    },
)

BATCH_NORM = {"type": "BN"}
ONE_SLOPE = {"type": "PReLU", "num_parameters": 1}


class SharedActivationBlock(nn.Module):
    """Split-shuffle block whose activations are all one module.

    Args:
        channels: number of channels of input and output, even.
        dilation: dilation rate of the second half of each branch.
        groups: number of groups of the channel shuffle.
        dropout_ratio: probability of zeroing a channel before the sum.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(
        self,
        channels: int,
        dilation: int,
        *,
        groups: int,
        dropout_ratio: float,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        width = channels // 2
        self.groups = groups
        self.act = make_activation(act_cfg, channels)

        def branch(vertical_first: bool) -> nn.ModuleDict:
            conv = partial(factor_conv, width)
            return nn.ModuleDict(
                {
                    "conv1": conv(vertical=vertical_first),
                    "conv2": conv(vertical=not vertical_first),
                    "norm2": make_norm(norm_cfg, width),
                    "conv3": conv(dilation=dilation, vertical=vertical_first),
                    "conv4": conv(dilation=dilation, vertical=not vertical_first),
                    "norm4": make_norm(norm_cfg, width),
                }
            )

        self.left = branch(vertical_first=True)
        self.right = branch(vertical_first=False)
        self.dropout = nn.Dropout2d(dropout_ratio)

    def _half(self, branch: nn.ModuleDict, x: Tensor) -> Tensor:
        x = self.act(branch["norm2"](branch["conv2"](branch["conv1"](x))))
        return self.act(branch["norm4"](branch["conv4"](self.act(branch["conv3"](x)))))

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, of the input's shape."""
        left, right = x.chunk(2, dim=1)
        y = torch.cat([self._half(self.left, left), self._half(self.right, right)], dim=1)
        return channel_shuffle(self.act(x + self.dropout(y)), self.groups)


@MODELS.register_module()
class UnofficialLEDNet(BaseModule):
    """The unofficial LEDNet's encoder; its decoder is ``APNHead`` with other settings.

    Args:
        in_channels: number of channels of the image.
        channels: numbers of channels at 1/2, 1/4 and 1/8 of the input.
        blocks: number of blocks at 1/2 and 1/4.
        dilations: dilation rates, one block at 1/8 for each.
        shuffle_groups: numbers of groups of the channel shuffle at 1/2, 1/4 and 1/8.
        dropout_ratio: dropout probability at 1/2 and 1/4, and dropout probability at 1/8.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 32, H/2, W/2), (N, 64, H/4, W/4), (N, 128, H/8, W/8),
    each rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (32, 64, 128),
        blocks: Sequence[int] = (3, 2),
        dilations: Sequence[int] = (1, 2, 5, 9, 2, 5, 9, 17),
        shuffle_groups: Sequence[int] = (4, 4, 8),
        dropout_ratio: Sequence[float] = (0.01, 0.1),
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = ONE_SLOPE,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        low, high = dropout_ratio
        rates = [[1] * blocks[0], [1] * blocks[1], list(dilations)]
        widths = [in_channels, *channels]
        stages = []
        for i, dropout in enumerate((low, low, high)):
            block = partial(
                SharedActivationBlock,
                widths[i + 1],
                groups=shuffle_groups[i],
                dropout_ratio=dropout,
                norm_cfg=norm_cfg,
                act_cfg=act_cfg,
            )
            downsample = ConvPoolDownsample(widths[i], widths[i + 1], norm_cfg=None, act_cfg=act_cfg)
            stages.append(nn.Sequential(downsample, *[block(rate) for rate in rates[i]]))
        self.stages = Stages(stages)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps at 1/2, 1/4 and 1/8."""
        return self.stages(x)
