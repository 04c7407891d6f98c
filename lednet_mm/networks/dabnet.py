"""DABNet: depth-wise asymmetric bottleneck for real-time semantic segmentation.

Paper: Li et al., BMVC 2019, arXiv:1907.11357. Authors' code: github.com/Reagan1311/DABNet (commit b8d62fe).
With 19 classes it has 0.757 M parameters and 10.41 G multiply-adds at 512x1024.

The authors' code refuses sizes at which the pooled map is smaller than the convolved one beside it. Here the
pooled map is padded with zeros, with the same result at every size that theirs accepts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import Config, ConvNormAct, ConvPoolDownsample, ImagePyramid, NormAct

CARD = Card(
    name="dabnet",
    title="DABNet",
    paper="arXiv:1907.11357",
    repository="github.com/Reagan1311/DABNet",
    commit="b8d62fe",
    vectors={"dabnet": Vector()},
    published=["DABNet"],
)

BATCH_NORM = {"type": "BN", "eps": 1e-3}
PRELU = {"type": "PReLU"}


class DABBlock(nn.Module):
    """Depth-wise asymmetric bottleneck: a local and a dilated depth-wise branch at half width, summed.

    Args:
        channels: number of channels of input and output, even.
        dilation: dilation rate of the second branch.
        asymmetric: whether each branch is a 3x1 and a 1x3 convolution; False makes it one 3x3 convolution.
        local_branch: whether to use the branch without dilation.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(
        self,
        channels: int,
        dilation: int,
        *,
        asymmetric: bool,
        local_branch: bool,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        width = channels // 2
        depthwise = partial(ConvNormAct, width, width, groups=width, norm_cfg=norm_cfg, act_cfg=act_cfg)

        def branch(d: int) -> nn.Module:
            if not asymmetric:
                return depthwise(3, dilation=d)
            return nn.Sequential(depthwise((3, 1), dilation=(d, 1)), depthwise((1, 3), dilation=(1, d)))

        self.norm_act1 = NormAct(channels, norm_cfg, act_cfg)
        self.reduce = ConvNormAct(channels, width, 3, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.local = branch(1) if local_branch else None
        self.dilated = branch(dilation)
        self.norm_act2 = NormAct(width, norm_cfg, act_cfg)
        self.expand = nn.Conv2d(width, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        reduced = self.reduce(self.norm_act1(x))
        y = self.dilated(reduced)
        if self.local is not None:
            y = self.local(reduced) + y
        return x + self.expand(self.norm_act2(y))


class ImageInjectionEncoder(BaseModule):
    """DABNet's frame, which CFPNet shares: rows of blocks whose input and a shrunken image are appended.

    Args:
        in_channels: number of channels of the image.
        channels: numbers of channels at 1/2, 1/4 and 1/8 of the input, before concatenation.
        dilations: dilation rates of the blocks at 1/4 and at 1/8, one block for each.
        block: function that builds a block of a number of channels with a dilation rate.
        image_injection: whether the shrunken image is appended at each resolution.
        block_shortcuts: whether the input of a row of blocks is appended to its output.
        norm_cfg: mmcv's normalisation config; None removes the normalisation outside the blocks.
        act_cfg: mmcv's activation config; a PReLU has one slope per channel.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: those of :class:`DABNet`.
    """

    def __init__(
        self,
        in_channels: int,
        channels: Sequence[int],
        dilations: Sequence[Sequence[int]],
        *,
        block: Callable[[int, int], nn.Module],
        image_injection: bool,
        block_shortcuts: bool,
        norm_cfg: Config,
        act_cfg: Config,
        init_cfg: Config,
    ) -> None:
        super().__init__(init_cfg)
        unit = partial(ConvNormAct, norm_cfg=norm_cfg, act_cfg=act_cfg)

        def downsample(inputs: int, outputs: int) -> nn.Module:
            # Where the width does not grow there is no room for the pooled input.
            if outputs <= inputs:
                return unit(inputs, outputs, 3, stride=2)
            return ConvPoolDownsample(inputs, outputs, bias=False, norm_cfg=norm_cfg, act_cfg=act_cfg)

        first, *deeper = channels
        image = in_channels if image_injection else 0
        width = first + image
        self.block_shortcuts = block_shortcuts
        self.pyramid = ImagePyramid(len(channels)) if image_injection else None
        self.stem = nn.Sequential(
            unit(in_channels, first, 3, stride=2), unit(first, first, 3), unit(first, first, 3)
        )
        self.merges = nn.ModuleList([NormAct(width, norm_cfg, act_cfg)])
        self.downsamples = nn.ModuleList()
        self.stages = nn.ModuleList()
        for outputs, rates in zip(deeper, dilations, strict=True):
            self.downsamples.append(downsample(width, outputs))
            self.stages.append(nn.Sequential(*[block(outputs, rate) for rate in rates]))
            width = (2 if block_shortcuts else 1) * outputs + image
            self.merges.append(NormAct(width, norm_cfg, act_cfg))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps at 1/2, 1/4 and 1/8."""
        images = [[image] for image in self.pyramid(x)] if self.pyramid else [[]] * len(self.merges)
        maps = [self.merges[0](torch.cat([self.stem(x), *images[0]], dim=1))]
        for i, (downsample, stage) in enumerate(zip(self.downsamples, self.stages, strict=True), 1):
            entry = downsample(maps[-1])
            shortcut = [entry] if self.block_shortcuts else []
            maps.append(self.merges[i](torch.cat([stage(entry), *shortcut, *images[i]], dim=1)))
        return tuple(maps)


@MODELS.register_module()
class DABNet(ImageInjectionEncoder):
    """DABNet without its classifier, which is a 1x1 convolution without bias on the deepest map.

    Args:
        in_channels: number of channels of the image.
        channels: numbers of channels at 1/2, 1/4 and 1/8 of the input, before concatenation.
        dilations: dilation rates of the blocks at 1/4 and at 1/8, one block for each.
        asymmetric: whether depth-wise convolutions are factorised into 3x1 and 1x3; False makes them 3x3.
        local_branch: whether every block has the branch without dilation beside the dilated one.
        image_injection: whether the shrunken image is appended at each resolution.
        block_shortcuts: whether the input of a row of blocks is appended to its output.
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
        dilations: Sequence[Sequence[int]] = ((2, 2, 2), (4, 4, 8, 8, 16, 16)),
        asymmetric: bool = True,
        local_branch: bool = True,
        image_injection: bool = True,
        block_shortcuts: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = PRELU,
        init_cfg: Config = None,
    ) -> None:
        block = partial(
            DABBlock, asymmetric=asymmetric, local_branch=local_branch, norm_cfg=norm_cfg, act_cfg=act_cfg
        )
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
