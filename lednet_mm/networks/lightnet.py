"""Parts shared by the networks of the LightNet collection: context blocks, channel and pixel gates, the head.

Authors' code: github.com/ansleliu/LightNet (commit 58353b2), which has no paper of its own. The defaults here
follow these peculiarities of that code:

* Its activated normalisation (computed in place there) is a batch normalisation followed by a leaky ReLU,
  whose slope is 0.01 by the classes' defaults and 0.1 in the training scripts.
* ASPP's last 1x1 convolution is padded, so that the map grows by a border of zeros (``border``).
* The receptive-field block lacks the activated normalisations between its convolutions, because the code
  stores them under the same key of a dictionary (``norm_between``).
* The size of the input is fixed when a network is built. Here any size works.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.layers import Config, NormAct, SqueezeExcitation, resize_like
from lednet_mm.networks.heads import DecodeHead

REPOSITORY = "github.com/ansleliu/LightNet"
COMMIT = "58353b2"
BORDER = "The last 1x1 convolution of the ASPP is padded, so that the map grows by a border of zeros."
LOST_NORMS = "The receptive-field block lacks the normalisations between its convolutions."

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}
LEAKY_RELU = {"type": "LeakyReLU", "negative_slope": 0.01}


def to_quarters(x: Tensor) -> Tensor:
    """Cut maps of even height and width into quarters and stack these along the batch.

    Shapes: (N, C, H, W) -> (4N, C, H/2, W/2): all top left, top right, bottom left, bottom right quarters.
    """
    n, channels, height, width = x.shape
    parts = x.reshape(n, channels, 2, height // 2, 2, width // 2).permute(2, 4, 0, 1, 3, 5)
    return parts.reshape(4 * n, channels, height // 2, width // 2)


def from_quarters(x: Tensor) -> Tensor:
    """Put quarters back together: (4N, C, h, w) -> (N, C, 2h, 2w)."""
    quarters, channels, height, width = x.shape
    parts = x.reshape(2, 2, quarters // 4, channels, height, width).permute(2, 3, 0, 4, 1, 5)
    return parts.reshape(quarters // 4, channels, 2 * height, 2 * width)


class SpatialChannelExcitation(nn.Module):
    """SCSE: the sum of the map scaled per channel and the map scaled per pixel (arXiv:1803.02579).

    Args:
        channels: number of channels of input and output.
        reduction: factor by which the bottleneck narrows: it has ``channels // reduction`` values.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.channel = SqueezeExcitation(channels, reduction, RELU)
        self.pixel = nn.Conv2d(channels, 1, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scaled map."""
        return self.channel(x) + x * self.pixel(x).sigmoid()


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: global mean, 1x1 and dilated 3x3 convolutions, joined by a 1x1 one.

    The branches have no normalisation of their own; one stands before and one after all of them.

    Args:
        in_channels: number of channels of the input.
        out_channels: number of channels of every branch and of the output.
        dilations: dilation rates of the 3x3 convolutions.
        border: zeros that the last convolution adds on every side.
        dropout_ratio: probability of zeroing a channel of the output.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config; None leaves it out.

    Shapes: (N, in_channels, h, w) -> (N, out_channels, h + 2 border, w + 2 border).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        dilations: Sequence[int],
        *,
        border: int = 1,
        dropout_ratio: float = 0.2,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        self.norm_act = NormAct(in_channels, norm_cfg, act_cfg)
        self.pooled = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.point = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.dilated = nn.ModuleList(
            nn.Conv2d(in_channels, out_channels, 3, padding=d, dilation=d, bias=False) for d in dilations
        )
        width = (2 + len(dilations)) * out_channels
        self.merge_norm_act = NormAct(width, norm_cfg, act_cfg)
        self.merge = nn.Conv2d(width, out_channels, 1, padding=border, bias=False)
        self.dropout = nn.Dropout2d(dropout_ratio)

    def forward(self, x: Tensor) -> Tensor:
        """Return the map with its context."""
        x = self.norm_act(x)
        pooled = self.pooled(x.mean(dim=(2, 3), keepdim=True)).expand(-1, -1, x.shape[2], x.shape[3])
        y = torch.cat([pooled, self.point(x), *[conv(x) for conv in self.dilated]], dim=1)
        return self.dropout(self.merge(self.merge_norm_act(y)))


class ReceptiveField(nn.Module):
    """Receptive-field block (arXiv:1711.07767): branches of growing kernels and dilations beside a shortcut.

    Args:
        in_channels: number of channels of the input.
        out_channels: number of channels of every branch and of the output.
        dilations: dilation rates of the last 3x3 convolutions of the branches with 3x3, 5x5 and 7x7 kernels.
        norm_between: whether an activated normalisation precedes every convolution of a branch, as the source
            code lists them; False puts one before the first convolution alone, which is what that code runs.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config; None leaves it out.

    Shapes: (N, in_channels, h, w) -> (N, out_channels, h, w).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        dilations: Sequence[int],
        *,
        norm_between: bool = False,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        norm_act = partial(NormAct, norm_cfg=norm_cfg, act_cfg=act_cfg)

        def branch(*convs: nn.Conv2d) -> nn.Sequential:
            layers: list[nn.Module] = []
            for conv in convs:
                if norm_between or not layers:
                    layers.append(norm_act(conv.in_channels))
                layers.append(conv)
            return nn.Sequential(*layers)

        o, middle = out_channels, out_channels // 2 * 3
        conv = partial(nn.Conv2d, bias=False)
        self.reduce = branch(conv(in_channels, o, 1))
        self.pooled_norm_act = norm_act(o)
        self.pooled = conv(o, o, 1)
        self.branches = nn.ModuleList([branch(conv(o, o, 1), conv(o, o, 3, padding=1))])
        for k, d in zip((3, 5, 7), dilations, strict=True):
            self.branches.append(
                branch(
                    conv(o, middle, (1, k), padding=(0, k // 2)),
                    conv(middle, o, (k, 1), padding=(k // 2, 0)),
                    conv(o, o, 3, padding=d, dilation=d),
                )
            )
        self.merge = conv(5 * o, o, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the map with its context."""
        x = self.reduce(x)
        pooled = self.pooled(self.pooled_norm_act(x).mean(dim=(2, 3), keepdim=True))
        pooled = pooled.expand(-1, -1, x.shape[2], x.shape[3])
        return self.merge(torch.cat([pooled, *[branch(x) for branch in self.branches]], dim=1)) + x


CONTEXTS = {"aspp": ASPP, "rfb": ReceptiveField}


@MODELS.register_module()
class LightNetHead(DecodeHead):
    """The collection's common decoder: context, a skip connection, SCSE, and a classifier of two layers.

    Args:
        in_channels: numbers of channels of the maps: (skip, deep), or (deep,) for a network without skip
            connection.
        num_classes: number of classes, and so of channels of the logits.
        context: kind of context block: ``aspp`` or ``rfb`` (receptive-field block).
        context_channels: number of channels that the context block makes.
        dilations: dilation rates of the context block.
        context_cfg: further arguments of the context block: ``border`` and ``dropout_ratio`` of the ASPP,
            ``norm_between`` of the receptive-field block.
        scse: whether channels and pixels are weighted before the classifier.
        quarters: whether the maps come from quarters of the image; they are put together again before the
            classifier.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config, used after every normalisation.
        align_corners: whether every bilinear resizing aligns the corners of the two maps.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Raises:
        ValueError: an unknown context block.

    Shapes: maps (N, C, 2h, 2w) and (N, C', h, w), or one (N, C', h, w) -> logits (N, num_classes, 2h, 2w).
    The skip map may have an odd size, 2h - 1 or 2w - 1, and the logits then have that size. With
    ``quarters``, maps of 4N quarters give logits (N, num_classes, 4h, 4w), which is twice the skip map's
    size.
    """

    plain_classifier = True

    def __init__(
        self,
        in_channels: Sequence[int],
        *,
        num_classes: int,
        context: str = "aspp",
        context_channels: int = 256,
        dilations: Sequence[int] = (12, 24, 36),
        context_cfg: Config = None,
        scse: bool = True,
        quarters: bool = False,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = LEAKY_RELU,
        align_corners: bool = False,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        if context not in CONTEXTS:
            raise ValueError(f"context must be one of {', '.join(CONTEXTS)}, not {context!r}")
        *skip, deep = in_channels
        width = context_channels + sum(skip)
        super().__init__(
            in_channels, width, num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs
        )
        self.quarters = quarters
        self.context = CONTEXTS[context](
            deep, context_channels, dilations, norm_cfg=norm_cfg, act_cfg=act_cfg, **(context_cfg or {})
        )
        self.scse = SpatialChannelExcitation(width) if scse else nn.Identity()
        self.mix = nn.Sequential(
            NormAct(width, norm_cfg, act_cfg),
            nn.Conv2d(width, width, 3, padding=2, dilation=2, bias=False),
            NormAct(width, norm_cfg, act_cfg),
        )

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at twice the resolution of the deepest map."""
        *skip, deep = self._transform_inputs(inputs)
        y = self.context(deep)
        if skip:
            y = torch.cat([resize_like(y, skip[0], self.align_corners), *skip], dim=1)
        else:
            size = (2 * deep.shape[2], 2 * deep.shape[3])
            y = F.interpolate(y, size=size, mode="bilinear", align_corners=self.align_corners)
        y = self.scse(y)
        if self.quarters:
            y = from_quarters(y)
        return self.cls_seg(self.mix(y))
