"""RDRNet: DDRNet's two branches of blocks of two paths in training and one convolution afterwards.

Paper: Yang et al., arXiv:2406.12496. Authors' code: github.com/gyyang23/RDRNet (backbones/rdrnet.py and
utils/ppm.py in its copy of MMSegmentation, commit 93d3b81); the head and the bottleneck blocks are
MMSegmentation's. With 19 classes, in training and in its deployment form, RDRNet-S-Simple has 8.83 M and 7.16
M parameters, RDRNet-S 8.95 M and 7.28 M, RDRNet-M 30.9 M and 26.0 M, and RDRNet-L 43.3 M and 37.0 M.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from mmseg.registry import MODELS
from torch import nn

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import (
    Bottleneck,
    Config,
    ConvNormAct,
    MultiPathConv,
    NormAct,
    ScalePyramid,
)
from lednet_mm.networks.ddrnet import DualResolutionNet, Exchange

PAPER = "arXiv:2406.12496"
REPOSITORY = "github.com/gyyang23/RDRNet"
COMMIT = "93d3b81"

CARDS = [
    Card(
        name="rdrnet_s_simple",
        title="RDRNet-S-Simple",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        vectors={"rdrnet_s_simple": Vector()},
        published=["RDRNet-S-Simple"],
    ),
    Card(
        name="rdrnet_s",
        title="RDRNet-S",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        vectors={"rdrnet_s": Vector()},
        published=["RDRNet-S"],
    ),
    Card(
        name="rdrnet_m",
        title="RDRNet-M",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        vectors={"rdrnet_m": Vector()},
        published=["RDRNet-M"],
    ),
    Card(
        name="rdrnet_l",
        title="RDRNet-L",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        vectors={"rdrnet_l": Vector()},
        published=["RDRNet-L"],
    ),
]

BATCH_NORM = {"type": "BN", "eps": 1e-3, "momentum": 0.03}
RELU = {"type": "ReLU"}


class TwoPathBlock(MultiPathConv):
    """The sum of a 3x3 convolution and of two 1x1 convolutions in a row, the latter with biases.

    Args:
        in_channels: number of channels of the input.
        out_channels: number of channels of the output.
        stride: stride of the block.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's config of the activation after the sum; None leaves it out.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int = 1, *, norm_cfg: Config, act_cfg: Config
    ) -> None:
        unit = partial(ConvNormAct, norm_cfg=norm_cfg)
        paths = [
            unit(in_channels, out_channels, 3, stride=stride),
            nn.Sequential(
                unit(in_channels, out_channels, 1, stride=stride, bias=True),
                unit(out_channels, out_channels, 1, bias=True),
            ),
        ]
        super().__init__(in_channels, out_channels, stride, paths, norm_cfg=norm_cfg, act_cfg=act_cfg)


class RichScalePyramid(ScalePyramid):
    """RPPM: PIDNet's pyramid, whose scales pass two grouped 3x3 convolutions that are added up."""

    def make_process(self, channels: int, groups: int, norm_cfg: Config, act_cfg: Config) -> nn.Module:
        """Return the layers that process all scales at once."""
        unit = partial(ConvNormAct, channels, channels, 3, groups=groups, norm_cfg=norm_cfg)
        both = MultiPathConv(
            channels, channels, 1, [unit(), unit()], shortcut=False, norm_cfg=None, act_cfg=None
        )
        return nn.Sequential(NormAct(channels, norm_cfg, act_cfg), both)


@MODELS.register_module()
class RDRNetEncoder(DualResolutionNet):
    """RDRNet without its heads.

    Args:
        in_channels: number of channels of the image.
        channels: number of channels at 1/4; the other maps have 2, 4, 8 and 16 times as many.
        stem_blocks: numbers of blocks at 1/4 after the strided one, and at 1/8 before the branches part.
        blocks: numbers of blocks of the deep and of the fine branch in each of the first two stages.
        last_blocks: number of bottleneck blocks of each branch in the last stage.
        context_channels: number of channels of each scale of the context pyramid.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 2 * channels, H/8, W/8) for the auxiliary head and
    (N, 4 * channels, H/8, W/8), each rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: int = 32,
        stem_blocks: Sequence[int] = (4, 4),
        blocks: Sequence[Sequence[int]] = ((6, 4), (6, 4)),
        last_blocks: int = 1,
        context_channels: int = 128,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        init_cfg: Config = None,
    ) -> None:
        options: dict = {"norm_cfg": norm_cfg, "act_cfg": act_cfg}
        block = partial(TwoPathBlock, norm_cfg=norm_cfg, act_cfg=act_cfg)
        exchange = partial(Exchange, rectify_sums=False, norm_cfg=norm_cfg, act_cfg=act_cfg)

        def rows(inputs: int, outputs: int, count: int, stride: int = 1) -> nn.Module:
            first = block(inputs, outputs, stride)
            last = TwoPathBlock(outputs, outputs, norm_cfg=norm_cfg, act_cfg=None)
            return nn.Sequential(first, *(block(outputs, outputs) for _ in range(count - 2)), last)

        def bottlenecks(inputs: int, width: int, outputs: int, stride: int = 1) -> nn.Module:
            blocks = (
                Bottleneck(
                    outputs if i else inputs,
                    width,
                    outputs,
                    1 if i else stride,
                    last_act_cfg=None,
                    **options,
                )
                for i in range(last_blocks)
            )
            return nn.Sequential(*blocks)

        c1, c2, c4, c8, c16 = (channels * factor for factor in (1, 2, 4, 8, 16))
        (deep1, fine1), (deep2, fine2) = blocks
        super().__init__(
            stem=nn.Sequential(
                block(in_channels, c1, 2),
                block(c1, c1, 2),
                *(block(c1, c1) for _ in range(stem_blocks[0])),
                block(c1, c2, 2),
                *(block(c2, c2) for _ in range(stem_blocks[1] - 1)),
            ),
            deep=[rows(c2, c4, deep1, 2), rows(c4, c8, deep2, 2), bottlenecks(c8, c8, c16, 2)],
            fine=[rows(c2, c2, fine1), rows(c2, c2, fine2), bottlenecks(c2, c2, c4)],
            exchanges=[exchange(c4, c2, 1), exchange(c8, c2, 2)],
            context=RichScalePyramid(c16, context_channels, c4, parallel=True, **options),
            act_cfg=act_cfg,
            init_cfg=init_cfg,
        )
