"""DDRNet: two branches of different resolution that exchange their maps, and a deep context pyramid.

Paper: Hong et al., arXiv:2101.06085. Authors' code: github.com/ydhongHIT/DDRNet (segmentation/DDRNet_23.py,
DDRNet_23_slim.py and DDRNet_39.py, commit de0db31). With 19 classes DDRNet-23-slim has 5.73 M parameters,
DDRNet-23 20.30 M and DDRNet-39 32.66 M, each with the auxiliary head that only training uses.

The authors' code accepts only heights and widths that are multiples of 8. Here every map is resized to the
one that it meets, with the same result at every size that theirs accepts.

MMSegmentation's DDRNet-23-slim differs in one point: the first two convolutions have no bias.

GCNet and RDRNet have the same two branches, of other blocks (:class:`DualResolutionNet`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import (
    Bottleneck,
    Config,
    ConvNormAct,
    ScalePyramid,
    basic_blocks,
    make_activation,
    resize_like,
)
from lednet_mm.networks.mmsegmentation import REPOSITORY as MMSEG

PAPER = "arXiv:2101.06085"
REPOSITORY = "github.com/ydhongHIT/DDRNet"
COMMIT = "de0db31"

CARDS = [
    Card(
        name="ddrnet23_slim",
        title="DDRNet-23-slim",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        vectors={"ddrnet23_slim": Vector()},
        published=["DDRNet-23-slim"],
    ),
    Card(
        name="ddrnet23",
        title="DDRNet-23",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        vectors={"ddrnet23": Vector()},
        published=["DDRNet-23"],
    ),
    Card(
        name="ddrnet39",
        title="DDRNet-39",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        vectors={"ddrnet39": Vector()},
        published=["DDRNet-39"],
    ),
    Card(
        name="ddrnet23_slim_mmseg",
        title="DDRNet-23-slim (MMSegmentation's)",
        paper=PAPER,
        repository=MMSEG,
        deviations=["The first two convolutions have no bias; the authors' have one."],
        from_mmsegmentation=True,
        authors_forms=["ddrnet23_slim", "ddrnet23"],
    ),
]

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}


class Exchange(nn.Module):
    """Bilateral fusion: the deep map is added to the fine one and the fine map to the deep one.

    Args:
        deep_channels: number of channels of the deep map.
        fine_channels: number of channels of the fine map.
        steps: number of strided convolutions that take the fine map to the deep one's size.
        rectify_sums: whether the maps that are added to pass the activation too; otherwise only what is added
            does.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: deep (N, deep_channels, h, w), fine (N, fine_channels, H, W) -> the same two shapes.
    """

    def __init__(
        self,
        deep_channels: int,
        fine_channels: int,
        steps: int,
        *,
        rectify_sums: bool,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        self.rectify_sums = rectify_sums
        self.act = make_activation(act_cfg, fine_channels)
        self.compress = ConvNormAct(deep_channels, fine_channels, 1, norm_cfg=norm_cfg)
        widths = [fine_channels * 2**step for step in range(steps)] + [deep_channels]
        self.down = nn.Sequential(
            *(
                ConvNormAct(
                    widths[i],
                    widths[i + 1],
                    3,
                    stride=2,
                    norm_cfg=norm_cfg,
                    act_cfg=act_cfg if i + 1 < steps else None,
                )
                for i in range(steps)
            )
        )

    def forward(self, deep: Tensor, fine: Tensor) -> tuple[Tensor, Tensor]:
        """Return both maps with what the other one adds."""
        active_deep, active_fine = self.act(deep), self.act(fine)
        if self.rectify_sums:
            deep, fine = active_deep, active_fine
        added = resize_like(self.compress(active_deep), fine, align_corners=False)
        return deep + self.down(active_fine), fine + added


class DualResolutionNet(BaseModule):
    """Two branches from one stem: one shrinks on to 1/64, the other stays at 1/8; they exchange their maps.

    Args:
        stem: image (N, 3, H, W) -> map at 1/8, with activation.
        deep: stages of the deep branch; an exchange follows each of them but the last.
        fine: stages of the fine branch, as many.
        exchanges: between the branches, one fewer.
        context: the context of the deep branch's last map, with as many channels as the fine branch's.
        act_cfg: mmcv's config of the activation before every stage.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> the fine map before the last exchange's stages and the sum of
    both branches, each at 1/8, rounded up.
    """

    def __init__(
        self,
        stem: nn.Module,
        deep: Sequence[nn.Module],
        fine: Sequence[nn.Module],
        exchanges: Sequence[nn.Module],
        context: nn.Module,
        act_cfg: Config,
        init_cfg: Config,
    ) -> None:
        super().__init__(init_cfg)
        self.stem = stem
        self.deep = nn.ModuleList(deep)
        self.fine = nn.ModuleList(fine)
        self.exchanges = nn.ModuleList(exchanges)
        self.context = context
        self.act = make_activation(act_cfg, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the fine map that the auxiliary head takes, and the sum of both branches."""
        deep = fine = self.stem(x)
        fine_maps = []
        last = len(self.exchanges)
        for stage, exchange in enumerate(self.exchanges):
            deep, fine = exchange(self.deep[stage](deep), self.fine[stage](fine))
            fine_maps.append(fine)
            deep, fine = self.act(deep), self.act(fine)
        fine = self.fine[last](fine)
        context = self.context(self.deep[last](deep))
        return fine_maps[-2], fine + resize_like(context, fine, align_corners=False)


def double_stem(in_channels: int, channels: int, *, norm_cfg: Config, act_cfg: Config) -> nn.Sequential:
    """Build two strided 3x3 convolutions with bias, norm and activation: (N, 3, H, W) -> (N, C, H/4, W/4)."""
    unit = partial(ConvNormAct, stride=2, bias=True, norm_cfg=norm_cfg, act_cfg=act_cfg)
    return nn.Sequential(unit(in_channels, channels, 3), unit(channels, channels, 3))


@MODELS.register_module()
class DDRNetEncoder(DualResolutionNet):
    """DDRNet without its heads.

    Args:
        in_channels: number of channels of the image.
        channels: number of channels at 1/4; the other maps have 2, 4, 8 and 16 times as many.
        blocks: numbers of residual blocks at 1/4, at 1/8, of both branches where the deep one is at 1/16, one
            number for each stage, and where it is at 1/32.
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
        blocks: Sequence[int] = (2, 2, 2, 2),
        context_channels: int = 128,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        init_cfg: Config = None,
    ) -> None:
        options: dict = {"norm_cfg": norm_cfg, "act_cfg": act_cfg}
        rows = partial(basic_blocks, last_act_cfg=None, norm_cfg=norm_cfg, act_cfg=act_cfg)
        bottleneck = partial(Bottleneck, last_act_cfg=None, norm_cfg=norm_cfg, act_cfg=act_cfg)
        exchange = partial(Exchange, rectify_sums=False, norm_cfg=norm_cfg, act_cfg=act_cfg)
        c1, c2, c4, c8, c16 = (channels * factor for factor in (1, 2, 4, 8, 16))
        first, second, *middle, last = blocks
        super().__init__(
            stem=nn.Sequential(
                double_stem(in_channels, c1, **options),
                rows(c1, c1, first),
                make_activation(act_cfg, c1),
                rows(c1, c2, second, 2),
                make_activation(act_cfg, c2),
            ),
            deep=[
                *(rows(c4 if i else c2, c4, count, 1 if i else 2) for i, count in enumerate(middle)),
                rows(c4, c8, last, 2),
                bottleneck(c8, c8, c16, 2),
            ],
            fine=[
                *(rows(c2, c2, count) for count in middle),
                rows(c2, c2, last),
                bottleneck(c2, c2, c4),
            ],
            exchanges=[*(exchange(c4, c2, 1) for _ in middle), exchange(c8, c2, 2)],
            context=ScalePyramid(c16, context_channels, c4, parallel=False, **options),
            act_cfg=act_cfg,
            init_cfg=init_cfg,
        )
