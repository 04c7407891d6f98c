"""ESPNet: efficient spatial pyramid of dilated convolutions for semantic segmentation.

Paper: Mehta et al., ECCV 2018, arXiv:1803.06815. Authors' code: github.com/sacmehta/ESPNet (commit afe71c3).
With 20 classes and p=2, q=8 the encoder with a classifier (the authors' ESPNet-C) has 0.349 M parameters and
3.52 G multiply-adds at 512x1024, and the whole ESPNet has 0.365 M and 4.85 G.

* The repository holds two decoders. The defaults follow its train folder, where the last merge takes the
  map at 1/2 together with the shrunken image. In its test folder it takes the map alone
  (``merge_image=False``), and so do the authors' weights for Cityscapes (those for CamVid do not).
* The authors' decoder accepts only heights and widths that are multiples of 8. Here each upsampled map is
  cropped to the map it joins, with the same result at every size that theirs accepts. For an odd size the
  logits have one row or column more than the image, and mmseg resizes them.
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
from lednet_mm.layers import Config, ConvNormAct, ImagePyramid, NormAct, crop_like
from lednet_mm.networks.heads import DecodeHead

PAPER = "arXiv:1803.06815"
REPOSITORY = "github.com/sacmehta/ESPNet"
COMMIT = "afe71c3"
TEST_FOLDER = "The decoder of the repository's test folder: its last merge takes the map without the image."

CARDS = [
    Card(
        name="espnet",
        title="ESPNet",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        vectors={
            "espnet": Vector(),
            "espnet_q3": Vector(
                title="ESPNet as released for Cityscapes, q=3",
                changes={"model.backbone.blocks": (2, 3), "model.decode_head.merge_image": False},
                deviations=[TEST_FOLDER],
            ),
            "espnet_q5": Vector(
                title="ESPNet as released for Cityscapes, q=5",
                changes={"model.backbone.blocks": (2, 5), "model.decode_head.merge_image": False},
                deviations=[TEST_FOLDER],
            ),
            "espnet_q8": Vector(
                title="ESPNet as released for Cityscapes, q=8",
                changes={"model.decode_head.merge_image": False},
                deviations=[TEST_FOLDER],
            ),
        },
        published=["ESPNet"],
    ),
    Card(
        name="espnet_encoder",
        title="ESPNet-C (encoder alone)",
        paper=PAPER,
        repository=REPOSITORY,
        commit=COMMIT,
        vectors={"espnet_encoder": Vector()},
    ),
]

BATCH_NORM = {"type": "BN", "eps": 1e-3}
PRELU = {"type": "PReLU"}
DILATIONS = (1, 2, 4, 8, 16)


class ESPBlock(nn.Module):
    """Efficient spatial pyramid: reduce, convolve each branch with its own dilation, sum up, concatenate.

    Each branch after the second is added to the sum of the dilated ones before it (hierarchical feature
    fusion), which prevents the gridding artefacts of large dilations; the first branch stays out of the sums.

    Args:
        in_channels: number of channels of the input.
        out_channels: number of channels of the output; the first branch also gets the remainder of the
            division by the number of branches.
        stride: stride of the block: 2 reduces by a strided 3x3 convolution, 1 by a 1x1 convolution.
        residual: whether the input is added before the norm.
        dilations: dilation rates, one branch for each.
        hierarchical_fusion: whether to add up the branches; False concatenates them as they are.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Raises:
        ValueError: fewer channels than branches.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        residual: bool,
        dilations: Sequence[int],
        hierarchical_fusion: bool,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        if out_channels < len(dilations):
            raise ValueError(f"{out_channels} channels are too few for {len(dilations)} branches")
        self.residual = residual
        self.hierarchical_fusion = hierarchical_fusion
        width = out_channels // len(dilations)
        widths = [out_channels - (len(dilations) - 1) * width] + [width] * (len(dilations) - 1)
        self.reduce = ConvNormAct(in_channels, width, 1 if stride == 1 else 3, stride=stride)
        self.branches = nn.ModuleList(
            nn.Conv2d(width, outputs, 3, padding=dilation, dilation=dilation, bias=False)
            for outputs, dilation in zip(widths, dilations, strict=True)
        )
        self.norm_act = NormAct(out_channels, norm_cfg, act_cfg)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        reduced = self.reduce(x)
        parts = [branch(reduced) for branch in self.branches]
        if self.hierarchical_fusion:
            parts = [parts[0], *accumulate(parts[1:])]
        y = torch.cat(parts, dim=1)
        return self.norm_act(x + y if self.residual else y)


@MODELS.register_module()
class ESPNet(BaseModule):
    """ESPNet's encoder; with a 1x1 classifier without bias on its deepest map it is ESPNet-C.

    In the paper's ablation, ESPNet-A has neither image nor shortcuts, and ESPNet-B has no image.

    Args:
        in_channels: number of channels of the image.
        channels: numbers of channels at 1/2, 1/4 and 1/8 of the input, before concatenation.
        blocks: number of blocks after the strided ones at 1/4 and 1/8 (the paper's p and q).
        dilations: dilation rates of the branches of every block.
        hierarchical_fusion: whether to add up the outputs of the branches; False only concatenates them.
        residual: whether a block adds its input to its output.
        image_injection: whether the shrunken image is appended at 1/2 and 1/4.
        block_shortcuts: whether the input of a row of blocks is appended to its output.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config; a PReLU has one slope per channel.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 16, H/2, W/2), (N, 19, H/2, W/2), which is the first
    with the image, (N, 131, H/4, W/4) and (N, 256, H/8, W/8), each rounded up; three channels fewer without
    the image, 64 and 128 fewer without shortcuts.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (16, 64, 128),
        blocks: Sequence[int] = (2, 8),
        dilations: Sequence[int] = DILATIONS,
        hierarchical_fusion: bool = True,
        residual: bool = True,
        image_injection: bool = True,
        block_shortcuts: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = PRELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        block = partial(
            ESPBlock,
            dilations=dilations,
            hierarchical_fusion=hierarchical_fusion,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
        )
        low, middle, high = channels
        image = in_channels if image_injection else 0
        parts = 2 if block_shortcuts else 1
        self.block_shortcuts = block_shortcuts
        self.pyramid = ImagePyramid(2) if image_injection else None
        self.level1 = ConvNormAct(in_channels, low, 3, stride=2, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.merge1 = NormAct(low + image, norm_cfg, act_cfg)
        self.down2 = block(low + image, middle, stride=2, residual=False)
        self.level2 = nn.Sequential(*[block(middle, middle, residual=residual) for _ in range(blocks[0])])
        self.merge2 = NormAct(parts * middle + image, norm_cfg, act_cfg)
        self.down3 = block(parts * middle + image, high, stride=2, residual=False)
        self.level3 = nn.Sequential(*[block(high, high, residual=residual) for _ in range(blocks[1])])
        self.merge3 = NormAct(parts * high, norm_cfg, act_cfg)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps at 1/2, with and without the image, 1/4 and 1/8."""
        half, quarter = ([image] for image in self.pyramid(x)) if self.pyramid else ([], [])
        level1 = self.level1(x)
        x1 = self.merge1(torch.cat([level1, *half], dim=1))
        entry = self.down2(x1)
        shortcut = [entry] if self.block_shortcuts else []
        x2 = self.merge2(torch.cat([self.level2(entry), *shortcut, *quarter], dim=1))
        entry = self.down3(x2)
        shortcut = [entry] if self.block_shortcuts else []
        # Here, in the authors' code, the shortcut comes first.
        x3 = self.merge3(torch.cat([*shortcut, self.level3(entry)], dim=1))
        return level1, x1, x2, x3


@MODELS.register_module()
class ESPNetHead(DecodeHead):
    """ESPNet's decoder: transposed convolutions, whose outputs are joined to encoder maps of their size.

    Args:
        in_channels: numbers of channels of the encoder's maps at 1/2, without and with the image, at 1/4 and
            at 1/8.
        num_classes: number of classes, and of channels of every map in the decoder.
        merge_image: whether the map at 1/2 that the last merge takes is the one with the image.
        dilations: dilation rates of the branches of the decoder's one ESP block.
        hierarchical_fusion: whether to add up the outputs of its branches; False only concatenates them.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config; a PReLU has one slope per channel.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Raises:
        ValueError: fewer classes than dilations.

    Shapes: the encoder's maps -> logits (N, num_classes, H, W), H and W rounded up to even numbers.
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (16, 19, 131, 256),
        *,
        num_classes: int,
        merge_image: bool = True,
        dilations: Sequence[int] = DILATIONS,
        hierarchical_fusion: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = PRELU,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        super().__init__(
            in_channels, num_classes, num_classes, norm_cfg, act_cfg, init_cfg=init_cfg, **kwargs
        )
        self.merge_image = merge_image
        level1, x1, x2, x3 = in_channels
        double = partial(nn.ConvTranspose2d, num_classes, num_classes, 2, stride=2, bias=False)
        self.project3 = ConvNormAct(x3, num_classes, 1, norm_cfg=norm_cfg)
        self.up3 = double()
        self.project2 = nn.Conv2d(x2, num_classes, 1, bias=False)
        self.merge2 = nn.Sequential(
            NormAct(2 * num_classes, norm_cfg, act_cfg),
            ESPBlock(
                2 * num_classes,
                num_classes,
                residual=False,
                dilations=dilations,
                hierarchical_fusion=hierarchical_fusion,
                norm_cfg=norm_cfg,
                act_cfg=act_cfg,
            ),
        )
        self.up2 = double()
        self.up2_norm_act = NormAct(num_classes, norm_cfg, act_cfg)
        self.merge1 = ConvNormAct(
            num_classes + (x1 if merge_image else level1),
            num_classes,
            3,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
        )
        self.up1 = double()

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at full resolution."""
        level1, x1, x2, x3 = self._transform_inputs(inputs)
        projected = self.project2(x2)
        y = self.merge2(torch.cat([projected, crop_like(self.up3(self.project3(x3)), x2)], dim=1))
        detail = x1 if self.merge_image else level1
        y = self.up2_norm_act(crop_like(self.up2(y), detail))
        return self.up1(self.merge1(torch.cat([y, detail], dim=1)))
