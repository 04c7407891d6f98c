"""LinkNet: a ResNet-18 encoder whose maps are added to the decoder's.

Paper: Chaurasia and Culurciello, VCIP 2017, arXiv:1707.03718. The code followed is the version in
github.com/xiaoyufenfei/Efficient-Segmentation-Networks (model/LinkNet.py, the class with its own encoder,
commit 0f0c32e): with 19 classes it has 11.54 M parameters and 21.84 G multiply-adds at 512x1024.

For sizes that are not multiples of 32 a decoder block can be one row or column larger than the map it is
added to; the surplus at the bottom or right is cut off (that code cuts around the centre, which for one row
is the same). The result can be larger than the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import BasicBlock, Config, ConvNormAct, Stages, crop_like, make_activation, make_norm
from lednet_mm.networks.heads import DecodeHead
from lednet_mm.networks.repositories import ESN, ESN_COMMIT

CARD = Card(
    name="linknet",
    title="LinkNet",
    paper="arXiv:1707.03718",
    repository=ESN,
    commit=ESN_COMMIT,
    vectors={"linknet": Vector()},
    published=["LinkNet"],
)

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}


class DecoderBlock(nn.Module):
    """A bottleneck around a transposed convolution at a quarter of the width, cropped to a skip map's size.

    Args:
        in_channels: number of channels of the input map, a multiple of 4.
        out_channels: number of channels of the output map.
        stride: stride of the transposed convolution.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, in_channels, h, w), skip map (N, C, H, W) with H <= stride * h, W <= stride * w ->
    (N, out_channels, H, W).
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, *, norm_cfg: Config, act_cfg: Config
    ) -> None:
        super().__init__()
        width = in_channels // 4
        self.reduce = ConvNormAct(in_channels, width, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.up = nn.Sequential(
            nn.ConvTranspose2d(width, width, 3, stride, padding=1, output_padding=stride - 1, bias=False),
            make_norm(norm_cfg, width),
            make_activation(act_cfg, width),
        )
        self.expand = ConvNormAct(width, out_channels, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Return the upsampled map in the skip map's size."""
        return self.expand(crop_like(self.up(self.reduce(x)), skip))


@MODELS.register_module()
class LinkNet(BaseModule):
    """LinkNet's encoder: ResNet-18 without its classifier; the stem's map is an output too.

    mmseg's ``ResNet`` does not return the stem's map, which the last sum needs.

    Args:
        in_channels: number of channels of the image.
        channels: numbers of channels at 1/4, 1/8, 1/16 and 1/32 of the input; the stem has the first.
        blocks: numbers of basic blocks at these resolutions.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config; a PReLU has one slope per channel.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps of the stem (N, 64, H/4, W/4) and of the stages
    (N, 64, H/4, W/4), (N, 128, H/8, W/8), (N, 256, H/16, W/16), (N, 512, H/32, W/32), each rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (64, 128, 256, 512),
        blocks: Sequence[int] = (2, 2, 2, 2),
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        block = partial(BasicBlock, norm_cfg=norm_cfg, act_cfg=act_cfg)
        previous = channels[0]
        self.stem = ConvNormAct(in_channels, previous, 7, stride=2, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        stages = []
        for i, (width, count) in enumerate(zip(channels, blocks, strict=True)):
            first = block(previous, width, 1 if i == 0 else 2)
            stages.append(nn.Sequential(first, *[block(width, width) for _ in range(count - 1)]))
            previous = width
        self.stages = Stages(stages)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps of the stem and of the four stages."""
        x = self.pool(self.stem(x))
        return x, *self.stages(x)


@MODELS.register_module()
class LinkNetHead(DecodeHead):
    """LinkNet's decoder: four blocks, each added to the encoder's map of its size, and a full-resolution end.

    Args:
        in_channels: numbers of channels of the stem's map and of the maps at 1/4, 1/8, 1/16 and 1/32.
        num_classes: number of classes, and so of channels of the logits.
        width: number of channels of the last layers before the classifier.
        links: whether to add the encoder's maps; False uses them only for the sizes of the decoder's maps.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config.
        align_corners: whether the resizing to the image's size, needed where the result has another size,
            aligns corners.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, 64, h, w), (N, 64, h, w), (N, 128, h/2, w/2), (N, 256, h/4, w/4), (N, 512, h/8, w/8) ->
    logits (N, num_classes, 4h, 4w).
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (64, 64, 128, 256, 512),
        *,
        num_classes: int,
        width: int = 32,
        links: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = True,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        super().__init__(
            in_channels, width, num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs
        )
        self.links = links
        shallower, deeper = in_channels[:-1], in_channels[1:]
        self.blocks = nn.ModuleList(
            [
                DecoderBlock(deep, skip, 1 if i == 0 else 2, norm_cfg=norm_cfg, act_cfg=act_cfg)
                for i, (skip, deep) in enumerate(zip(shallower, deeper, strict=True))
            ]
        )
        self.up = nn.Sequential(
            nn.ConvTranspose2d(in_channels[0], width, 3, stride=2, padding=1, output_padding=1),
            make_norm(norm_cfg, width),
            make_activation(act_cfg, width),
        )
        self.conv = ConvNormAct(width, width, 3, bias=True, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.classifier = nn.ConvTranspose2d(width, num_classes, 2, stride=2)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at four times the resolution of the stem's map."""
        *skips, x = self._transform_inputs(inputs)
        for block, skip in zip(reversed(self.blocks), reversed(skips), strict=True):
            x = block(x, skip)
            if self.links:
                x = skip + x
        return self.classifier(self.conv(self.up(x)))
