"""PIDNet: three branches, named after a PID controller's, for details, context and boundaries.

Paper: Xu et al., CVPR 2023, arXiv:2206.02066. Authors' code: github.com/XuJiacong/PIDNet (models/pidnet.py,
model_utils.py, commit 4c158cf). With 19 classes PIDNet-S has 7.72 M parameters, PIDNet-M 28.8 M and PIDNet-L
37.3 M, each with the two heads that only training uses.

The authors' code accepts only heights and widths that are multiples of 8. Here every map is resized to the
one that it meets, with the same result at every size that theirs accepts.

Their ReLU works in place, so that the two auxiliary heads get maps that the next ReLU has already changed:
the maps are rectified here too. MMSegmentation's PIDNet-S copies these maps before the ReLU, and its first
two convolutions have no bias. It also drops channels before the main classifier in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from mmengine.model import BaseModule
from mmseg.models.decode_heads import PIDHead
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import (
    BasicBlock,
    Bottleneck,
    Config,
    ConvNormAct,
    NormActConv,
    ScalePyramid,
    basic_blocks,
    make_activation,
    resize_like,
)
from lednet_mm.networks.ddrnet import double_stem
from lednet_mm.networks.heads import pixel_accuracy, stack_labels
from lednet_mm.networks.mmsegmentation import REPOSITORY as MMSEG

PAPER = "arXiv:2206.02066"
REPOSITORY = "github.com/XuJiacong/PIDNet"
COMMIT = "4c158cf"
IN_PLACE = (
    "The auxiliary heads see rectified maps, because the ReLU after them works in place in the authors' code."
)

CARDS = [
    Card(
        name="pidnet_s",
        title="PIDNet-S",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        deviations=[IN_PLACE],
        vectors={"pidnet_s": Vector()},
        published=["PIDNet-S"],
    ),
    Card(
        name="pidnet_m",
        title="PIDNet-M",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        deviations=[IN_PLACE],
        vectors={"pidnet_m": Vector()},
        published=["PIDNet-M"],
    ),
    Card(
        name="pidnet_l",
        title="PIDNet-L",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        deviations=[IN_PLACE],
        vectors={"pidnet_l": Vector()},
        published=["PIDNet-L"],
    ),
    Card(
        name="pidnet_s_mmseg",
        title="PIDNet-S (MMSegmentation's)",
        paper=PAPER,
        repository=MMSEG,
        deviations=[
            "The first two convolutions have no bias; the authors' have one.",
            "The auxiliary heads see maps that are not rectified; the authors' see rectified ones.",
            "Channels are dropped before the main classifier in training; the authors drop none.",
        ],
        from_mmsegmentation=True,
        authors_forms=["pidnet_s", "pidnet_m", "pidnet_l"],
    ),
]

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}


def label_edges(labels: Tensor, width: int, ignore_index: int = 255) -> Tensor:
    """Find the pixels around borders between classes, as mmseg's ``GenerateEdge`` does.

    Args:
        labels: class ids (N, 1, H, W).
        width: width of the edges in pixels.
        ignore_index: id of pixels without a label; borders to them do not count as edges.

    Returns:
        (N, 1, H, W) of 0 and 1.
    """

    def border(one: Tensor, other: Tensor) -> Tensor:
        return ((one != other) & (one != ignore_index) & (other != ignore_index)).float()

    vertical = border(labels[..., 1:, :], labels[..., :-1, :])
    horizontal = border(labels[..., :, :-1], labels[..., :, 1:])
    falling = border(labels[..., :-1, :-1], labels[..., 1:, 1:])
    rising = border(labels[..., :-1, 1:], labels[..., 1:, :-1])
    # Of each pair one pixel is marked: the lower of a vertical pair, the left of a horizontal, the upper of a
    # diagonal.
    marks = [
        F.pad(vertical, (0, 0, 1, 0)),
        F.pad(horizontal, (0, 1, 0, 0)),
        F.pad(falling, (0, 1, 0, 1)),
        F.pad(rising, (1, 0, 0, 1)),
    ]
    edges = torch.stack(marks).amax(dim=0)
    # Like OpenCV's dilation, an even width reaches one pixel farther before than after.
    before = width // 2
    after = width - 1 - before
    return F.max_pool2d(F.pad(edges, (before, after, before, after)), width, stride=1).to(labels.dtype)


class PixelAttention(nn.Module):
    """Pag: mix a fine map with an upsampled deep one, by weights from how well they agree at each pixel.

    Args:
        channels: number of channels of both maps.
        width: number of channels in which they are compared.
        norm_cfg: mmcv's normalisation config; None leaves it out.

    Shapes: fine (N, channels, H, W), deep (N, channels, h, w) -> (N, channels, H, W).
    """

    def __init__(self, channels: int, width: int, *, norm_cfg: Config) -> None:
        super().__init__()
        self.fine = ConvNormAct(channels, width, 1, norm_cfg=norm_cfg)
        self.deep = ConvNormAct(channels, width, 1, norm_cfg=norm_cfg)

    def forward(self, fine: Tensor, deep: Tensor) -> Tensor:
        agreement = self.fine(fine) * resize_like(self.deep(deep), fine, align_corners=False)
        weight = agreement.sum(dim=1, keepdim=True).sigmoid()
        return (1 - weight) * fine + weight * resize_like(deep, fine, align_corners=False)


class BoundaryMix(nn.Module):
    """Mix details and context by the boundary branch: details at boundaries, context elsewhere.

    Args:
        channels: number of channels of all maps.
        light: whether two 1x1 convolutions take two mixtures (light Bag); False takes one 3x3 convolution of
            one mixture (Bag).
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's config of the activation before the 3x3 convolution.

    Shapes: details, context and boundaries (N, channels, H, W) each -> (N, channels, H, W).
    """

    def __init__(self, channels: int, *, light: bool, norm_cfg: Config, act_cfg: Config) -> None:
        super().__init__()
        self.light = light
        if light:
            self.details = ConvNormAct(channels, channels, 1, norm_cfg=norm_cfg)
            self.context = ConvNormAct(channels, channels, 1, norm_cfg=norm_cfg)
        else:
            self.mixed = NormActConv(channels, channels, 3, norm_cfg=norm_cfg, act_cfg=act_cfg)

    def forward(self, details: Tensor, context: Tensor, boundaries: Tensor) -> Tensor:
        weight = boundaries.sigmoid()
        if self.light:
            return self.details((1 - weight) * context + details) + self.context(context + weight * details)
        return self.mixed(weight * details + (1 - weight) * context)


@MODELS.register_module()
class PIDNetEncoder(BaseModule):
    """PIDNet without its heads.

    Args:
        in_channels: number of channels of the image.
        channels: number of channels at 1/4; the other maps have 2, 4, 8 and 16 times as many.
        blocks: numbers of residual blocks up to 1/8 and in the detail branch, and at 1/16 and 1/32.
        context_channels: number of channels of each scale of the context pyramid.
        large: whether it has PIDNet-L's parts: a serial context pyramid, a boundary branch that has all
            channels from the start, and a mixture by a 3x3 convolution.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps of the detail branch (N, 2 * channels, H/8, W/8), of the
    mixture (N, 4 * channels, H/8, W/8) and of the boundary branch (N, 2 * channels, H/8, W/8), each rounded
    up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: int = 32,
        blocks: Sequence[int] = (2, 3),
        context_channels: int = 96,
        large: bool = False,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        options: dict = {"norm_cfg": norm_cfg, "act_cfg": act_cfg}
        rows = partial(basic_blocks, last_act_cfg=None, norm_cfg=norm_cfg, act_cfg=act_cfg)
        block = partial(BasicBlock, last_act_cfg=None, norm_cfg=norm_cfg, act_cfg=act_cfg)
        bottleneck = partial(Bottleneck, last_act_cfg=None, norm_cfg=norm_cfg, act_cfg=act_cfg)
        unit = partial(ConvNormAct, norm_cfg=norm_cfg)
        few, many = blocks
        c1, c2, c4, c8, c16 = (channels * factor for factor in (1, 2, 4, 8, 16))
        boundary = c2 if large else c1
        self.act = make_activation(act_cfg, c1)
        self.stem = nn.Sequential(
            double_stem(in_channels, c1, **options),
            rows(c1, c1, few),
            make_activation(act_cfg, c1),
            rows(c1, c2, few, 2),
            make_activation(act_cfg, c2),
        )
        self.integral = nn.ModuleList(
            [
                nn.Sequential(rows(c2, c4, many, 2), make_activation(act_cfg, c4)),
                nn.Sequential(rows(c4, c8, many, 2), make_activation(act_cfg, c8)),
                nn.Sequential(bottleneck(c8, c8, c16, 2), bottleneck(c16, c8, c16)),
            ]
        )
        self.proportional = nn.ModuleList([rows(c2, c2, few), rows(c2, c2, few), bottleneck(c2, c2, c4)])
        self.derivative = nn.ModuleList(
            [
                block(c2, boundary),
                block(c2, c2) if large else bottleneck(c1, c1, c2),
                bottleneck(c2, c2, c4),
            ]
        )
        self.compressions = nn.ModuleList([unit(c4, c2, 1), unit(c8, c2, 1)])
        self.attentions = nn.ModuleList(PixelAttention(c2, c1, norm_cfg=norm_cfg) for _ in range(2))
        self.differences = nn.ModuleList([unit(c4, boundary, 3), unit(c8, c2, 3)])
        self.context = ScalePyramid(c16, context_channels, c4, parallel=not large, **options)
        self.mix = BoundaryMix(c4, light=not large, **options)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the maps of the detail branch, the mixture and the boundary branch."""
        x = p = d = self.stem(x)
        auxiliary = []
        for i in range(2):
            x, p, d = self.integral[i](x), self.proportional[i](p), self.derivative[i](d)
            p = self.attentions[i](p, self.compressions[i](x))
            d = d + resize_like(self.differences[i](x), d, align_corners=False)
            p, d = self.act(p), self.act(d)
            auxiliary.append((p, d))
        x, p, d = self.integral[2](x), self.proportional[2](p), self.derivative[2](d)
        context = resize_like(self.context(x), p, align_corners=False)
        return auxiliary[0][0], self.mix(p, context, d), auxiliary[1][1]


@MODELS.register_module()
class PIDNetHead(PIDHead):
    """mmseg's ``PIDHead``, which learns from labels alone: it needs no ``GenerateEdge`` in the pipeline.

    mmseg's backbone gives the mixture alone in evaluation; the one here always gives three maps.

    Args:
        edge_width: width in pixels of the class borders on which the boundary loss is computed.
        kwargs: further arguments of mmseg's ``PIDHead``.

    Shapes: in evaluation a map (N, in_channels, h, w) -> logits (N, num_classes, h, w); in training the maps
    of the proportional, integral and derivative branches -> two class logits and the logits of the edges.
    """

    def __init__(self, *, edge_width: int = 4, **kwargs) -> None:
        super().__init__(**kwargs)
        self.edge_width = edge_width

    def forward(self, inputs: Tensor | tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
        """Return the logits of the mixture, in training those of all three branches."""
        if not self.training and not isinstance(inputs, Tensor):
            inputs = inputs[1]
        return super().forward(inputs)

    def loss_by_feat(self, seg_logits: tuple[Tensor, ...], batch_data_samples: list) -> dict[str, Tensor]:
        """Return the losses by name, and ``acc_seg``, the percentage of labelled pixels that are right.

        Args:
            seg_logits: logits of the proportional and integral branch, each (N, num_classes, h, w), and of
                the derivative branch, (N, 1, h, w).
            batch_data_samples: N samples with labels of one size.
        """
        label = stack_labels(batch_data_samples)  # (N, 1, H, W)
        edges = label_edges(label, self.edge_width, self.ignore_index).squeeze(1)
        proportional, integral, derivative = (
            resize_like(logits, label, self.align_corners) for logits in seg_logits
        )
        label = label.squeeze(1)
        near_edges = label.where(derivative[:, 0].sigmoid() > 0.8, self.ignore_index)
        return {
            "loss_sem_p": self.loss_decode[0](proportional, label, ignore_index=self.ignore_index),
            "loss_sem_i": self.loss_decode[1](integral, label),
            "loss_bd": self.loss_decode[2](derivative, edges),
            "loss_sem_bd": self.loss_decode[3](integral, near_edges),
            "acc_seg": pixel_accuracy(integral.detach(), label, self.ignore_index),
        }
