"""FANet: real-time semantic segmentation with fast attention.

Paper: Hu et al., arXiv:2007.03815. The code reproduced here, with outputs proven equal, is a **third party's
re-implementation**, github.com/zh320/realtime-semantic-segmentation-pytorch (commit c77b1b6), not the
authors' code. With 19 classes it has 12.26 M parameters with ResNet-18 (its own table quotes no figure from
the paper).

The re-implementation differs from the paper, and the defaults here follow the re-implementation:

* Its attention mixes channels: the weights are products of queries with keys, summed over positions, and
  they are applied to the values (``attention="channels"``). In the paper they are products of keys with
  values, and they are applied to the queries (``attention="positions"``).
* It multiplies keys with values first, which gives a matrix of positions by positions and costs 4.58 G
  multiply-adds and 268 MB for the largest map of 512x1024. The product is associative: ``linear=True``
  computes it in the other order with 0.02 G multiply-adds, as the deployment form does.
* It refuses sizes whose maps at 1/8, 1/16 or 1/32 have an odd height or width. Here upsampled maps are
  cropped to the map they are added to, with the same result at every size that theirs accepts.

The trunk is MMSegmentation's ``ResNet`` with ``depth=18`` and ``strides=(2, 2, 2, 2)``: its first stage
halves the resolution too.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import Config, ConvNormAct, TransposedConvNormAct, crop_like, resize_like
from lednet_mm.layers.deployment import deployment_rewrite
from lednet_mm.networks.heads import DecodeHead
from lednet_mm.networks.repositories import THIRD_PARTY, ZH320, ZH320_COMMIT

CARD = Card(
    name="zh320_fanet",
    title="FANet-18 (re-implementation by zh320)",
    paper="arXiv:2007.03815",
    repository=ZH320,
    commit=ZH320_COMMIT,
    deviations=[
        THIRD_PARTY,
        "The attention weights are products of queries with keys over positions, applied to the "
        "values; the paper's are products of keys with values, applied to the queries.",
        "It computes a matrix of positions by positions; the deployment form computes the same "
        "product at linear cost.",
    ],
    vectors={"zh320_fanet": Vector()},
)

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}


class FastAttention(nn.Module):
    """Attention without softmax over queries and keys of unit length, with the values added.

    Args:
        in_channels: number of channels of the input.
        channels: number of channels of queries, keys, values and the output.
        attention: what the attention mixes: "channels" as re-implemented, "positions" as in the paper; None
            passes the values alone.
        linear: whether to compute "channels" in the order whose cost is linear in the number of positions,
            with the same result; the cost of "positions" always is.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, in_channels, h, w) -> (N, channels, h, w).
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        attention: Literal["channels", "positions"] | None,
        *,
        linear: bool = False,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        self.attention = attention
        self.linear = linear
        unit = partial(ConvNormAct, kernel_size=3, norm_cfg=norm_cfg)
        self.value = unit(in_channels, channels)
        if attention:
            self.query = unit(in_channels, channels)
            self.key = unit(in_channels, channels)
            self.fuse = unit(channels, channels, act_cfg=act_cfg)

    def forward(self, x: Tensor) -> Tensor:
        value = self.value(x)
        if self.attention is None:
            return value
        q, k = (F.normalize(unit(x), dim=1).flatten(2) for unit in (self.query, self.key))
        v, k = value.flatten(2), k.transpose(1, 2)
        if self.attention == "positions":
            mixed = (v @ k) @ q  # (N, channels, channels) @ (N, channels, h * w)
        elif self.linear:
            mixed = (q @ k) @ v
        else:
            mixed = q @ (k @ v)  # (N, channels, h * w) @ (N, h * w, h * w)
        return value + self.fuse((mixed / v.shape[2]).unflatten(2, x.shape[2:]))


@deployment_rewrite
def attend_at_linear_cost(network: nn.Module) -> None:
    """Let every fast attention of a network multiply in the order whose cost is linear in the positions."""
    for module in network.modules():
        if isinstance(module, FastAttention):
            module.linear = True


@MODELS.register_module()
class ZH320FANetHead(DecodeHead):
    """FANet's decoder: fast attention on every stage's map, summed up from deep to shallow.

    Args:
        in_channels: numbers of channels of the trunk's maps, each of half the resolution of the one before.
        num_classes: number of classes, and so of channels of the logits.
        channels: number of channels of the attended maps and of their sums.
        classifier_channels: number of channels before the classifier.
        attention: what the attention mixes: "channels" as re-implemented, "positions" as in the paper; None
            leaves it out.
        linear: see :class:`FastAttention`.
        norm_cfg: mmcv's normalisation config for the head; None removes all normalisation.
        act_cfg: mmcv's activation config.
        align_corners: whether every bilinear resizing aligns the corners of the two maps.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, 64, h, w), (N, 128, h/2, w/2) ... of any size -> logits (N, num_classes, h, w).
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (64, 128, 256, 512),
        *,
        num_classes: int,
        channels: int = 32,
        classifier_channels: int = 128,
        attention: Literal["channels", "positions"] | None = "channels",
        linear: bool = False,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = True,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        super().__init__(
            in_channels,
            classifier_channels,
            num_classes,
            norm_cfg,
            act_cfg,
            align_corners,
            init_cfg,
            **kwargs,
        )
        unit = partial(ConvNormAct, kernel_size=3, norm_cfg=norm_cfg, act_cfg=act_cfg)
        stages = len(in_channels)
        self.attentions = nn.ModuleList(
            FastAttention(width, channels, attention, linear=linear, norm_cfg=norm_cfg, act_cfg=act_cfg)
            for width in in_channels
        )
        self.ups = nn.ModuleList(
            TransposedConvNormAct(channels, channels, norm_cfg=norm_cfg, act_cfg=act_cfg)
            for _ in range(stages - 1)
        )
        self.fuse = nn.ModuleList(unit(channels, channels) for _ in range(stages))
        self.join = unit(stages * channels, classifier_channels)
        self.conv_seg = nn.Conv2d(classifier_channels, num_classes, 1, bias=False)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at the resolution of the first map."""
        maps = [attend(x) for attend, x in zip(self.attentions, self._transform_inputs(inputs), strict=True)]
        maps[-1] = self.fuse[-1](maps[-1])
        for i in reversed(range(len(maps) - 1)):
            maps[i] = self.fuse[i](maps[i] + crop_like(self.ups[i](maps[i + 1]), maps[i]))
        joined = torch.cat([maps[0], *[resize_like(x, maps[0], self.align_corners) for x in maps[1:]]], dim=1)
        return self.cls_seg(self.join(joined))
