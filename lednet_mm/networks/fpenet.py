"""FPENet: feature pyramid encoding blocks and mutual embedding upsampling.

Paper: Liu and Yin, BMVC 2019, arXiv:1909.08599. The code followed is the version in
github.com/xiaoyufenfei/Efficient-Segmentation-Networks (model/FPENet.py, commit 0f0c32e): with 19 classes it
has 0.115 M parameters and 1.60 G multiply-adds at 512x1024.

* In that code the expansion of 4 reaches only the first block of stages 2 and 3, and the other ten blocks run
  at 1. The paper expands in every one and states about 0.4 M parameters; ``expand_every_block=True`` makes
  0.346 M.
* The channel attention has a ReLU before its sigmoid, so that no weight is below one half.
* That code doubles the size of the logits at 1/2 at the end, so that an odd size gets one row or column too
  many. Here the last resizing goes to the image's size, which gives the same result for even sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import Config, ConvNormAct, make_activation, resize_like
from lednet_mm.networks.heads import DecodeHead
from lednet_mm.networks.repositories import ESN, ESN_COMMIT

CARD = Card(
    name="fpenet",
    title="FPENet",
    paper="arXiv:1909.08599",
    repository=ESN,
    commit=ESN_COMMIT,
    deviations=[
        "Only the first block of a stage is expanded, so it has 0.115 M parameters instead of about 0.4 M.",
        "The channel attention has a ReLU before its sigmoid: no weight is below one half.",
    ],
    vectors={"fpenet": Vector()},
    published=["FPENet"],
)

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}


class FeaturePyramidBlock(nn.Module):
    """Feature pyramid encoding (FPE): a bottleneck around a cascade of dilated depth-wise convolutions.

    The expanded map is split into one chunk for each dilation; every chunk but the first gets the result of
    the chunk before it added.

    Args:
        in_channels: number of channels of the input map.
        out_channels: number of channels of the output map.
        stride: stride of the first 1x1 convolution.
        expansion: factor by which the width grows inside the block.
        dilations: dilation rates of the depth-wise convolutions; ``in_channels * expansion`` is a multiple of
            their number.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        expansion: int,
        dilations: Sequence[int],
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        width = in_channels * expansion
        chunk = width // len(dilations)
        unit = partial(ConvNormAct, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.expand = unit(in_channels, width, 1, stride=stride)
        self.pyramid = nn.ModuleList([unit(chunk, chunk, 3, dilation=d, groups=chunk) for d in dilations])
        self.project = ConvNormAct(width, out_channels, 1, norm_cfg=norm_cfg)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or in_channels != out_channels:
            self.shortcut = ConvNormAct(in_channels, out_channels, 1, stride=stride, norm_cfg=norm_cfg)
        self.act = make_activation(act_cfg, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        results: list[Tensor] = []
        for conv, part in zip(self.pyramid, self.expand(x).chunk(len(self.pyramid), dim=1), strict=True):
            results.append(conv(part + results[-1] if results else part))
        return self.act(self.shortcut(x) + self.project(torch.cat(results, dim=1)))


class MutualEmbedding(nn.Module):
    """Mutual embedding upsampling: two maps, each weighted by an attention of the other, are summed.

    Args:
        high_channels: number of channels of the deep map.
        low_channels: number of channels of the fine map.
        out_channels: number of channels of the result.
        attention: whether attention weighs the two maps; False adds them without weights.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config, used before the channel attention's sigmoid; None leaves it out.

    Shapes: deep map (N, high_channels, h, w), fine map (N, low_channels, H, W) -> (N, out_channels, H, W).
    """

    def __init__(
        self,
        high_channels: int,
        low_channels: int,
        out_channels: int,
        *,
        attention: bool,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        self.attention = attention
        self.low = ConvNormAct(low_channels, out_channels, 1, norm_cfg=norm_cfg)
        self.high = ConvNormAct(high_channels, out_channels, 1, norm_cfg=norm_cfg)
        if attention:
            self.spatial = nn.Conv2d(1, 1, 1, bias=False)
            self.channel = ConvNormAct(out_channels, out_channels, 1, act_cfg=act_cfg)

    def forward(self, high: Tensor, low: Tensor) -> Tensor:
        """Return the sum at the resolution of the fine map."""
        low, high = self.low(low), self.high(high)
        up = resize_like(high, low, align_corners=True)
        if not self.attention:
            return low + up
        where = self.spatial(low.mean(dim=1, keepdim=True)).sigmoid()
        which = self.channel(high.mean(dim=(2, 3), keepdim=True)).sigmoid()
        return which * low + where * up


@MODELS.register_module()
class FPENet(BaseModule):
    """FPENet's encoder.

    Args:
        in_channels: number of channels of the image.
        channels: numbers of channels at 1/2, 1/4 and 1/8 of the input.
        blocks: number of blocks at each resolution.
        expansion: expansion factor of the blocks at 1/4 and 1/8; the factor of those at 1/2 is 1.
        expand_every_block: whether every block expands its channels, as in the paper; False expands in the
            first block of a stage alone.
        dilations: dilation rates of the convolutions in every block's cascade; all 1 removes the dilation.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config; a PReLU has one slope per channel.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 16, H/2, W/2), (N, 32, H/4, W/4), (N, 64, H/8, W/8),
    each rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (16, 32, 64),
        blocks: Sequence[int] = (1, 3, 9),
        expansion: int = 4,
        expand_every_block: bool = False,
        dilations: Sequence[int] = (1, 2, 4, 8),
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        wide, middle, deep = channels
        self.stem = ConvNormAct(in_channels, wide, 3, stride=2, norm_cfg=norm_cfg, act_cfg=act_cfg)
        block = partial(FeaturePyramidBlock, dilations=dilations, norm_cfg=norm_cfg, act_cfg=act_cfg)
        later = expansion if expand_every_block else 1
        self.stage1 = nn.Sequential(*[block(wide, wide, expansion=1) for _ in range(blocks[0])])
        self.down2 = block(wide, middle, stride=2, expansion=expansion)
        self.stage2 = nn.Sequential(*[block(middle, middle, expansion=later) for _ in range(blocks[1] - 1)])
        self.down3 = block(middle, deep, stride=2, expansion=expansion)
        self.stage3 = nn.Sequential(*[block(deep, deep, expansion=later) for _ in range(blocks[2] - 1)])

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps at 1/2, 1/4 and 1/8; the latter two are sums of a stage's first and last output."""
        x1 = self.stage1(self.stem(x))
        x2 = self.down2(x1)
        x2 = x2 + self.stage2(x2)
        x3 = self.down3(x2)
        x3 = x3 + self.stage3(x3)
        return x1, x2, x3


@MODELS.register_module()
class FPENetHead(DecodeHead):
    """FPENet's decoder: two mutual embedding upsamplings and a 1x1 classifier.

    Args:
        in_channels: numbers of channels of the maps at 1/2, 1/4 and 1/8.
        num_classes: number of classes, and so of channels of the logits.
        widths: numbers of channels after the first and the second upsampling.
        attention: whether attention weighs the maps; False adds them without weights.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config, used before the channel attention's sigmoid; None leaves it out.
        align_corners: whether the resizing to the image's size aligns corners.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, 16, H, W), (N, 32, H/2, W/2), (N, 64, H/4, W/4) -> logits (N, num_classes, H, W).
    """

    plain_classifier = True

    def __init__(
        self,
        in_channels: Sequence[int] = (16, 32, 64),
        *,
        num_classes: int,
        widths: Sequence[int] = (64, 32),
        attention: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = True,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        super().__init__(
            in_channels, widths[-1], num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs
        )
        wide, middle, deep = in_channels
        up = partial(MutualEmbedding, attention=attention, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.up1 = up(deep, middle, widths[0])
        self.up2 = up(widths[0], wide, widths[1])

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at the resolution of the first map."""
        wide, middle, deep = self._transform_inputs(inputs)
        return self.cls_seg(self.up2(self.up1(deep, middle), wide))
