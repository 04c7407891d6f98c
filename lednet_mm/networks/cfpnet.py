"""CFPNet: channel-wise feature pyramids for real-time semantic segmentation.

Paper: Lou and Loew, ICIP 2021, arXiv:2103.12212. Authors' code: github.com/AngeLouCN/CFPNet (model/CFPNet.py,
commit 4651628). With 19 classes it has 0.551 M parameters and 7.86 G multiply-adds at 512x1024.

The frame is DABNet's, with other blocks. The authors' code refuses sizes at which the pooled map is smaller
than the convolved one beside it. Here the pooled map is padded with zeros, with the same result at every size
that theirs accepts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import accumulate

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import Config, ConvNormAct, NormAct, Stages
from lednet_mm.networks.dabnet import ImageInjectionEncoder

CARD = Card(
    name="cfpnet",
    title="CFPNet",
    paper="arXiv:2103.12212",
    repository="github.com/AngeLouCN/CFPNet",
    commit="4651628",
    vectors={"cfpnet": Vector()},
    published=["CFPNet"],
)

BATCH_NORM = {"type": "BN", "eps": 1e-3}
PRELU = {"type": "PReLU"}


class FeaturePyramid(nn.Module):
    """FP channel: three factorised convolutions of few channels a group in a row, their results concatenated.

    Args:
        channels: number of channels of input and output, a multiple of 4.
        dilation: dilation rate of all convolutions.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, channels, H, W) -> (N, channels, H, W); the three results have a quarter, a quarter and a half
    of the channels.
    """

    def __init__(self, channels: int, dilation: int, *, norm_cfg: Config, act_cfg: Config) -> None:
        super().__init__()
        unit = partial(ConvNormAct, norm_cfg=norm_cfg, act_cfg=act_cfg)
        quarter, half = channels // 4, channels // 2
        self.levels = Stages(
            nn.Sequential(
                unit(inputs, outputs, (3, 1), dilation=(dilation, 1), groups=quarter),
                unit(outputs, outputs, (1, 3), dilation=(1, dilation), groups=outputs),
            )
            for inputs, outputs in ((channels, quarter), (quarter, quarter), (quarter, half))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the three results concatenated."""
        return torch.cat(self.levels(x), dim=1)


class ChannelwisePyramid(nn.Module):
    """CFP module: four feature pyramids of growing dilation, summed up hierarchically, with a residual.

    Args:
        channels: number of channels of input and output, a multiple of 16.
        dilation: number d from which the pyramids' dilation rates follow: 1, d/4 + 1 and d/2 + 1 (both
            rounded down), and d + 1.
        hierarchical: whether each pyramid's result is added to the next ones'; False concatenates them as
            they are.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(
        self, channels: int, dilation: int, *, hierarchical: bool, norm_cfg: Config, act_cfg: Config
    ) -> None:
        super().__init__()
        width = channels // 4
        self.hierarchical = hierarchical
        self.norm_act1 = NormAct(channels, norm_cfg, act_cfg)
        self.reduce = ConvNormAct(channels, width, 3, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.pyramids = nn.ModuleList(
            FeaturePyramid(width, rate, norm_cfg=norm_cfg, act_cfg=act_cfg)
            for rate in (1, dilation // 4 + 1, dilation // 2 + 1, dilation + 1)
        )
        self.norm_act2 = NormAct(channels, norm_cfg, act_cfg)
        self.expand = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        reduced = self.reduce(self.norm_act1(x))
        results = [pyramid(reduced) for pyramid in self.pyramids]
        if self.hierarchical:
            results = list(accumulate(results))
        return x + self.expand(self.norm_act2(torch.cat(results, dim=1)))


@MODELS.register_module()
class CFPNet(ImageInjectionEncoder):
    """CFPNet without its classifier, which is a 1x1 convolution without bias on the deepest map.

    Args:
        in_channels: number of channels of the image.
        channels: numbers of channels at 1/2, 1/4 and 1/8 of the input, before concatenation.
        dilations: numbers from which the modules' dilation rates follow, at 1/4 and at 1/8, one module for
            each.
        hierarchical: whether each pyramid's result is added to the next ones' of its module.
        image_injection: whether the shrunken image is appended at each resolution.
        block_shortcuts: whether the input of a row of modules is appended to its output.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config; a PReLU has one slope per channel.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 35, H/2, W/2), (N, 131, H/4, W/4), (N, 259, H/8, W/8),
    each rounded up; three channels fewer without the image, 64 and 128 fewer without shortcuts.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (32, 64, 128),
        dilations: Sequence[Sequence[int]] = ((2, 2), (4, 4, 8, 8, 16, 16)),
        hierarchical: bool = True,
        image_injection: bool = True,
        block_shortcuts: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = PRELU,
        init_cfg: Config = None,
    ) -> None:
        block = partial(ChannelwisePyramid, hierarchical=hierarchical, norm_cfg=norm_cfg, act_cfg=act_cfg)
        super().__init__(
            in_channels,
            channels,
            dilations,
            block=block,
            image_injection=image_injection,
            block_shortcuts=block_shortcuts,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
            init_cfg=init_cfg,
        )
