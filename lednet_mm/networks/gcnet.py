"""GCNet: DDRNet's two branches of blocks that are sums of paths in training and one convolution afterwards.

Paper: Yang et al., CVPR 2025, arXiv:2503.03325. Authors' code: github.com/gyyang23/GCNet (backbones/gcnet.py,
decode_heads/gcnet_head.py and utils/ppm.py in its copy of MMSegmentation, commit 8b4c0ab). With 19 classes
GCNet-S has 20.7 M parameters in training and 9.21 M in its deployment form, GCNet-M 80.1 M and 34.2 M, and
GCNet-L 106.2 M and 45.2 M.

The authors' ReLU works in place where the branches exchange their maps, so that the sums start from rectified
maps, unlike DDRNet's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from mmseg.registry import MODELS
from torch import nn

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import Config, ConvNormAct, MultiPathConv, ScalePyramid
from lednet_mm.networks.ddrnet import DualResolutionNet, Exchange

PAPER = "arXiv:2503.03325"
REPOSITORY = "github.com/gyyang23/GCNet"
COMMIT = "8b4c0ab"

CARDS = [
    Card(
        name="gcnet_s",
        title="GCNet-S",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        vectors={"gcnet_s": Vector()},
        published=["GCNet-S"],
    ),
    Card(
        name="gcnet_m",
        title="GCNet-M",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        vectors={"gcnet_m": Vector()},
        published=["GCNet-M"],
    ),
    Card(
        name="gcnet_l",
        title="GCNet-L",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        vectors={"gcnet_l": Vector()},
        published=["GCNet-L"],
    ),
]

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}


class GoldenBlock(MultiPathConv):
    """GCBlock: the sum of 3x3 and 1x1 convolutions, each followed by a 1x1 convolution.

    Args:
        in_channels: number of channels of the input.
        out_channels: number of channels of the output.
        stride: stride of the block.
        wide_paths: number of paths that begin with a 3x3 convolution; one more begins with a 1x1 convolution.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's config of the activation after the sum; None leaves it out.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        *,
        wide_paths: int = 2,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        unit = partial(ConvNormAct, norm_cfg=norm_cfg)
        paths = [
            nn.Sequential(
                unit(in_channels, out_channels, size, stride=stride), unit(out_channels, out_channels, 1)
            )
            for size in [3] * wide_paths + [1]
        ]
        super().__init__(in_channels, out_channels, stride, paths, norm_cfg=norm_cfg, act_cfg=act_cfg)


@MODELS.register_module()
class GCNetEncoder(DualResolutionNet):
    """GCNet without its heads.

    Args:
        in_channels: number of channels of the image.
        channels: number of channels at 1/4; the other maps have 2, 4, 8 and 16 times as many.
        stem_blocks: numbers of blocks at 1/4 and at 1/8 before the branches part.
        blocks: numbers of blocks of the deep and of the fine branch in each of the three stages.
        context_channels: number of channels of each scale of the context pyramid.
        wide_paths: number of paths of a block that begin with a 3x3 convolution.
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
        blocks: Sequence[Sequence[int]] = ((5, 4), (5, 4), (2, 2)),
        context_channels: int = 128,
        wide_paths: int = 2,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        init_cfg: Config = None,
    ) -> None:
        options: dict = {"norm_cfg": norm_cfg, "act_cfg": act_cfg}
        unit = partial(ConvNormAct, kernel_size=3, stride=2, norm_cfg=norm_cfg, act_cfg=act_cfg)
        exchange = partial(Exchange, rectify_sums=True, norm_cfg=norm_cfg, act_cfg=act_cfg)

        def rows(
            inputs: int, outputs: int, count: int, stride: int = 1, last_act_cfg: Config = None
        ) -> nn.Module:
            return nn.Sequential(
                *(
                    GoldenBlock(
                        outputs if i else inputs,
                        outputs,
                        1 if i else stride,
                        wide_paths=wide_paths,
                        norm_cfg=norm_cfg,
                        act_cfg=act_cfg if i < count - 1 else last_act_cfg,
                    )
                    for i in range(count)
                )
            )

        c1, c2, c4, c8, c16 = (channels * factor for factor in (1, 2, 4, 8, 16))
        first, second, third = blocks
        super().__init__(
            stem=nn.Sequential(
                unit(in_channels, c1),
                unit(c1, c1),
                rows(c1, c1, stem_blocks[0], last_act_cfg=act_cfg),
                rows(c1, c2, stem_blocks[1], 2, last_act_cfg=act_cfg),
            ),
            deep=[rows(c2, c4, first[0], 2), rows(c4, c8, second[0], 2), rows(c8, c16, third[0], 2)],
            fine=[rows(c2, c2, first[1]), rows(c2, c2, second[1]), rows(c2, c4, third[1])],
            exchanges=[exchange(c4, c2, 1), exchange(c8, c2, 2)],
            context=ScalePyramid(c16, context_channels, c4, parallel=False, **options),
            act_cfg=act_cfg,
            init_cfg=init_cfg,
        )
