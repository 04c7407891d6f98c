"""ESPNetv2: a light-weight, power efficient and general purpose convolutional network, for segmentation.

Paper: Mehta et al., CVPR 2019, arXiv:1811.11431. Authors' code: github.com/sacmehta/ESPNetv2 (commit
b78e323). With 20 classes and width s=1.0 it has 0.341 M parameters and 1.83 G multiply-adds at 512x1024.

* The authors' strided blocks hold activations that their forward leaves out; they are not built here.
* The authors' decoder accepts only heights and widths that are multiples of 16. Here every map is resized to
  the one it joins, with the same result at every size that theirs accepts.
* In training the authors sum two losses with equal weight: that of the final logits, and that of the
  decoder's logits at 1/8, which the final ones refine. Because the two share their layers, the head here
  computes both losses itself, and there is no second head.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import accumulate

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import Config, ConvNormAct, ImagePyramid, NormAct, make_activation, resize_like
from lednet_mm.networks.heads import DecodeHead

CARD = Card(
    name="espnetv2",
    title="ESPNetv2 (s=1.0)",
    paper="arXiv:1811.11431",
    repository="github.com/sacmehta/ESPNetv2",
    commit="b78e323",
    vectors={"espnetv2": Vector()},
    published=["ESPNetV2"],
)

BATCH_NORM = {"type": "BN"}
PRELU = {"type": "PReLU"}


class EESPBlock(nn.Module):
    """Extremely efficient spatial pyramid: grouped reduction, dilated depth-wise branches, running sums.

    With stride 2 the block ends after the last norm. Otherwise the input is added if the shapes are equal,
    and an activation follows.

    Args:
        in_channels: number of channels of the input, a multiple of the number of branches.
        out_channels: number of channels of the output, a multiple of the number of branches.
        dilations: dilation rates, one depth-wise 3x3 branch for each; the 1x1 convolutions have as many
            groups.
        stride: stride of the depth-wise convolutions.
        hierarchical_fusion: whether to add up the branches; False concatenates them as they are.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        dilations: Sequence[int],
        *,
        stride: int = 1,
        hierarchical_fusion: bool,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        groups = len(dilations)
        width = out_channels // groups
        self.hierarchical_fusion = hierarchical_fusion
        self.residual = stride == 1 and in_channels == out_channels
        self.reduce = ConvNormAct(in_channels, width, 1, groups=groups, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.branches = nn.ModuleList(
            nn.Conv2d(width, width, 3, stride, dilation, dilation, groups=width, bias=False)
            for dilation in dilations
        )
        self.norm_act = NormAct(out_channels, norm_cfg, act_cfg)
        self.expand = ConvNormAct(out_channels, out_channels, 1, groups=groups, norm_cfg=norm_cfg)
        self.act = make_activation(act_cfg if stride == 1 else None, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        reduced = self.reduce(x)
        parts = [branch(reduced) for branch in self.branches]
        if self.hierarchical_fusion:
            parts = list(accumulate(parts))
        y = self.expand(self.norm_act(torch.cat(parts, dim=1)))
        return self.act(x + y if self.residual else y)


class StridedEESP(nn.Module):
    """Halve the resolution: join the pooled input with a strided EESP block and add the shrunken image.

    Args:
        in_channels: number of channels of the input.
        out_channels: number of channels of the output, more than ``in_channels``.
        image_channels: number of channels of the image; 0 leaves the image out.
        block: function that builds the EESP block.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, in_channels, H, W), and the image at half its size -> (N, out_channels, H/2, W/2), rounded up.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        image_channels: int,
        block: partial[EESPBlock],
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(3, stride=2, padding=1)
        self.block = block(in_channels, out_channels - in_channels, stride=2)
        if image_channels:
            self.reinforce = nn.Sequential(
                ConvNormAct(image_channels, image_channels, 3, norm_cfg=norm_cfg, act_cfg=act_cfg),
                ConvNormAct(image_channels, out_channels, 1, norm_cfg=norm_cfg),
            )
        self.act = make_activation(act_cfg, out_channels)

    def forward(self, x: Tensor, image: Tensor | None) -> Tensor:
        """Return the map at half resolution."""
        y = torch.cat([self.pool(x), self.block(x)], dim=1)
        return self.act(y if image is None else y + self.reinforce(image))


@MODELS.register_module()
class ESPNetv2(BaseModule):
    """ESPNetv2's encoder.

    Args:
        in_channels: number of channels of the image.
        channels: numbers of channels at 1/2, 1/4, 1/8 and 1/16 of the input.
        blocks: number of blocks after the strided ones at 1/8 and 1/16.
        dilations: dilation rates of the branches of all blocks above 1/16.
        deep_dilations: dilation rates of the branches of the blocks at 1/16.
        hierarchical_fusion: whether to add up the outputs of the branches; False only concatenates them.
        image_injection: whether the shrunken image is added in every strided block.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config; a PReLU has one slope per channel.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 32, H/2, W/2), (N, 64, H/4, W/4), (N, 128, H/8, W/8)
    and (N, 256, H/16, W/16), each rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (32, 64, 128, 256),
        blocks: Sequence[int] = (3, 7),
        dilations: Sequence[int] = (1, 2, 3, 4),
        deep_dilations: Sequence[int] = (1, 1, 2, 3),
        hierarchical_fusion: bool = True,
        image_injection: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = PRELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        block = partial(
            EESPBlock, hierarchical_fusion=hierarchical_fusion, norm_cfg=norm_cfg, act_cfg=act_cfg
        )
        down = partial(
            StridedEESP,
            image_channels=in_channels if image_injection else 0,
            block=partial(block, dilations=dilations),
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
        )
        first, second, third, fourth = channels
        self.pyramid = ImagePyramid(4) if image_injection else None
        self.level1 = ConvNormAct(in_channels, first, 3, stride=2, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.down2 = down(first, second)
        self.down3 = down(second, third)
        self.level3 = nn.Sequential(*[block(third, third, dilations) for _ in range(blocks[0])])
        self.down4 = down(third, fourth)
        self.level4 = nn.Sequential(*[block(fourth, fourth, deep_dilations) for _ in range(blocks[1])])

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps at 1/2, 1/4, 1/8 and 1/16."""
        images = self.pyramid(x) if self.pyramid else [None] * 4
        x1 = self.level1(x)
        x2 = self.down2(x1, images[1])
        x3 = self.level3(self.down3(x2, images[2]))
        x4 = self.level4(self.down4(x3, images[3]))
        return x1, x2, x3, x4


class DepthwisePyramidPooling(nn.Module):
    """Pool the map four times in a row, convolve every size depth-wise, and join the results with the map.

    Shapes: (N, channels, h, w) of any size -> (N, channels, h, w).
    """

    def __init__(self, channels: int, norm_cfg: Config, act_cfg: Config, align_corners: bool) -> None:
        super().__init__()
        self.align_corners = align_corners
        self.pyramid = ImagePyramid(4)
        self.convs = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False) for _ in range(4)
        )
        self.project = ConvNormAct(5 * channels, channels, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)

    def forward(self, x: Tensor) -> Tensor:
        """Return a map of the input's shape."""
        smaller = [conv(y) for conv, y in zip(self.convs, self.pyramid(x), strict=True)]
        return self.project(torch.cat([x, *[resize_like(y, x, self.align_corners) for y in smaller]], dim=1))


@MODELS.register_module()
class ESPNetv2Head(DecodeHead):
    """ESPNetv2's decoder: pyramid pooling at 1/8 gives logits, which the maps at 1/4 and 1/2 refine.

    Args:
        in_channels: numbers of channels of the maps at 1/2, 1/4, 1/8 and 1/16.
        num_classes: number of classes, and so of channels of the logits.
        dilations: dilation rates of the branches of the EESP block at 1/8.
        hierarchical_fusion: whether to add up the outputs of its branches; False only concatenates them.
        pyramid_pooling: whether to use pyramid pooling.
        dropout_ratio: probability of zeroing a channel before the first and the last classifier.
        auxiliary_weight: weight of the loss of the logits at 1/8; 0 leaves this loss out.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config; a PReLU has one slope per channel.
        align_corners: whether every bilinear resizing aligns the corners of the two maps.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: the encoder's maps -> logits (N, num_classes, H/2, W/2), rounded up.
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (32, 64, 128, 256),
        *,
        num_classes: int,
        dilations: Sequence[int] = (1, 1, 2, 3),
        hierarchical_fusion: bool = True,
        pyramid_pooling: bool = True,
        dropout_ratio: float = 0.2,
        auxiliary_weight: float = 1.0,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = PRELU,
        align_corners: bool = True,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        first, second, third, fourth = in_channels
        super().__init__(
            in_channels, third, num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs
        )
        self.auxiliary_weight = auxiliary_weight
        unit = partial(ConvNormAct, kernel_size=1, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.project4 = unit(fourth, third)
        self.fuse = EESPBlock(
            2 * third,
            third,
            dilations,
            hierarchical_fusion=hierarchical_fusion,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
        )
        self.pyramid = (
            DepthwisePyramidPooling(third, norm_cfg, act_cfg, align_corners)
            if pyramid_pooling
            else nn.Identity()
        )
        self.dropout3 = nn.Dropout2d(dropout_ratio)
        self.project3 = nn.Conv2d(third, num_classes, 1, bias=False)
        self.norm_act3 = NormAct(num_classes, norm_cfg, act_cfg)
        self.project2 = unit(second + num_classes, num_classes)
        self.dropout1 = nn.Dropout2d(dropout_ratio)
        self.project1 = nn.Conv2d(first + num_classes, num_classes, 1, bias=False)

    def coarse(self, maps: Sequence[Tensor]) -> Tensor:
        """Return the logits at 1/8."""
        x3 = maps[2]
        x4 = resize_like(self.project4(maps[3]), x3, self.align_corners)
        return self.project3(self.dropout3(self.pyramid(self.fuse(torch.cat([x3, x4], dim=1)))))

    def refine(self, coarse: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """Return the logits at 1/2 that the ones at 1/8 and the maps at 1/4 and 1/2 give."""
        x1, x2 = maps[:2]
        y = resize_like(self.norm_act3(coarse), x2, self.align_corners)
        y = resize_like(self.project2(torch.cat([x2, y], dim=1)), x1, self.align_corners)
        return self.project1(self.dropout1(torch.cat([x1, y], dim=1)))

    def enlarge(self, coarse: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """Return the logits at 1/8 enlarged to 1/2 in two steps, as the authors do for their loss."""
        y = resize_like(coarse, maps[1], self.align_corners)
        return resize_like(y, maps[0], self.align_corners)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at 1/2."""
        maps = self._transform_inputs(inputs)
        return self.refine(self.coarse(maps), maps)

    def loss(self, inputs: tuple[Tensor, ...], batch_data_samples: list, train_cfg: Config) -> dict:
        """Return the losses of the result and, named ``aux_...``, of the logits at 1/8."""
        maps = self._transform_inputs(inputs)
        coarse = self.coarse(maps)
        losses = self.loss_by_feat(self.refine(coarse, maps), batch_data_samples)
        if self.auxiliary_weight:
            auxiliary = self.loss_by_feat(self.enlarge(coarse, maps), batch_data_samples)
            for name, value in auxiliary.items():
                losses[f"aux_{name}"] = self.auxiliary_weight * value if "loss" in name else value
        return losses
