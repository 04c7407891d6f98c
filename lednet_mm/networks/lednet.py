"""LEDNet: a lightweight encoder-decoder network for real-time semantic segmentation.

Paper: Wang et al., ICIP 2019, arXiv:1905.02423. Authors' code: github.com/xiaoyufenfei/LEDNet (commit
5d900d9). With 19 classes it has 0.923 M parameters.

The authors' code differs from the paper, and the defaults here follow the code:

* The attention pyramid has one channel (``pyramid_width=1``); in a second file of the same repository it has
  128 channels, which makes 2.29 M parameters instead of 0.93 M.
* Every branch of the pyramid ends in an activation, so the logits are never negative.
* The code accepts only heights and widths that are multiples of 32, and its output is always 512x1024. Here
  each pyramid level is resized to the map it is added to, with the same result at every size that the
  authors' code accepts.
* The authors' speed test times another network, without normalisation in its blocks
  (``norm_in_blocks=False``).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import (
    Config,
    ConvNormAct,
    ConvPoolDownsample,
    Stages,
    TransposedConvNormAct,
    channel_shuffle,
    factor_conv,
    make_activation,
    make_norm,
    pyramid_attention,
)
from lednet_mm.networks.heads import DecodeHead
from lednet_mm.networks.repositories import ESN, ESN_COMMIT

# The head with which the authors first train the encoder alone.
ENCODER_STAGE = {
    "type": "FCNHead",
    "in_channels": 128,
    "channels": 128,
    "num_convs": 0,
    "concat_input": False,
    "dropout_ratio": 0,
}
NOT_NEGATIVE = "Every branch of the attention pyramid ends in a ReLU: logits are never negative."

CARD = Card(
    name="lednet",
    title="LEDNet",
    paper="arXiv:1905.02423",
    repository="github.com/xiaoyufenfei/LEDNet",
    commit="5d900d9",
    deviations=[NOT_NEGATIVE, "The pyramid has one channel for all classes."],
    vectors={
        "lednet_official": Vector(changes={"model.auxiliary_head": ENCODER_STAGE}),
        "lednet_apn128": Vector(
            title="LEDNet, pyramid of 128 channels",
            changes={"model.decode_head.pyramid_width": 128, "model.auxiliary_head": ENCODER_STAGE},
            deviations=[
                NOT_NEGATIVE,
                "A second file of the repository: it has 2.29 M parameters; the paper says 0.94 M.",
            ],
        ),
        "lednet_no_bn": Vector(
            title="LEDNet without normalisation in its blocks",
            changes={
                "model.backbone.norm_in_blocks": False,
                "model.backbone.dropout_ratio": (0, 0),
                "model.decode_head.norm_cfg": None,
                "model.auxiliary_head": ENCODER_STAGE,
            },
            deviations=[
                NOT_NEGATIVE,
                "The authors' speed test times this version, without normalisation in blocks and pyramid.",
            ],
        ),
        "lednet_esn": Vector(
            title="LEDNet, factorised pyramid",
            changes={"model.decode_head.factorized": True},
            repository=ESN,
            commit=ESN_COMMIT,
            deviations=[
                NOT_NEGATIVE,
                "A third party's version, in which every convolution of the pyramid is factorised.",
            ],
        ),
        "lednet_imagenet": Vector(
            title="LEDNet, ImageNet classifier",
            changes={"model": {"_delete_": True, "type": "LEDNetClassifier"}},
            deviations=["The authors' code accepts only 224 to 231 pixels per side; here any size works."],
        ),
    },
    published=["LEDNet", "LEDNet (ImageNet pretrained)"],
)

BATCH_NORM = {"type": "BN", "eps": 1e-3}
RELU = {"type": "ReLU"}


class FactorizedBranch(nn.Sequential):
    """Two 3x3 convolutions, the second dilated, each factorised into a 3x1 and a 1x3 convolution.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(
        self,
        channels: int,
        dilation: int,
        *,
        vertical_first: bool,
        bias: bool,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        conv = partial(factor_conv, channels, bias=bias)
        self.conv1 = conv(vertical=vertical_first)
        self.act1 = make_activation(act_cfg, channels)
        self.conv2 = conv(vertical=not vertical_first)
        self.norm1 = make_norm(norm_cfg, channels)
        self.act2 = make_activation(act_cfg, channels)
        self.conv3 = conv(dilation=dilation, vertical=vertical_first)
        self.act3 = make_activation(act_cfg, channels)
        self.conv4 = conv(dilation=dilation, vertical=not vertical_first)
        self.norm2 = make_norm(norm_cfg, channels)


class SplitShuffleBlock(nn.Module):
    """Split-shuffle non-bottleneck (SS-nbt): two half-width branches, a residual sum, a channel shuffle.

    Args:
        channels: number of channels of input and output, even.
        dilation: dilation rate of the second half of each branch.
        dropout_ratio: probability of zeroing a channel before the sum.
        split: whether to run two branches of half width; False runs one branch at full width (ERFNet's
            non-bottleneck-1D).
        shuffle: whether to use the channel shuffle.
        bias: whether the convolutions have a bias.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.

    Shapes: (N, channels, H, W) -> (N, channels, H, W).
    """

    def __init__(
        self,
        channels: int,
        dilation: int,
        *,
        dropout_ratio: float,
        split: bool,
        shuffle: bool,
        bias: bool,
        norm_cfg: Config,
        act_cfg: Config,
    ) -> None:
        super().__init__()
        branch = partial(FactorizedBranch, bias=bias, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.split = split
        self.shuffle = shuffle
        if split:
            self.left = branch(channels // 2, dilation, vertical_first=True)
            self.right = branch(channels // 2, dilation, vertical_first=False)
        else:
            self.full = branch(channels, dilation, vertical_first=True)
        self.dropout = nn.Dropout2d(dropout_ratio)
        self.act = make_activation(act_cfg, channels)

    def forward(self, x: Tensor) -> Tensor:
        if self.split:
            left, right = x.chunk(2, dim=1)
            y = torch.cat([self.dropout(self.left(left)), self.dropout(self.right(right))], dim=1)
        else:
            y = self.dropout(self.full(x))
        y = self.act(x + y)
        return channel_shuffle(y, 2) if self.shuffle else y


@MODELS.register_module()
class LEDNet(BaseModule):
    """LEDNet's encoder (authors' train/lednet.py).

    Args:
        in_channels: number of channels of the image.
        channels: numbers of channels at 1/2, 1/4 and 1/8 of the input.
        blocks: number of blocks at 1/2 and 1/4.
        dilations: dilation rates, one block at 1/8 for each; all 1 removes the dilation.
        dropout_ratio: dropout probability at 1/2 and 1/4, and dropout probability at 1/8.
        split: whether a block has two branches of half width; False makes it one branch at full width.
        shuffle: whether a channel shuffle follows every block.
        bias: whether the convolutions have a bias.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        norm_in_blocks: whether the blocks have normalisation; False keeps it only where the resolution
            changes, as in the authors' speed test.
        act_cfg: mmcv's activation config; a PReLU has one slope per channel.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default, as the authors do.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 32, H/2, W/2), (N, 64, H/4, W/4), (N, 128, H/8, W/8),
    each rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (32, 64, 128),
        blocks: Sequence[int] = (3, 2),
        dilations: Sequence[int] = (1, 2, 5, 9, 2, 5, 9, 17),
        dropout_ratio: Sequence[float] = (0.03, 0.3),
        split: bool = True,
        shuffle: bool = True,
        bias: bool = True,
        norm_cfg: Config = BATCH_NORM,
        norm_in_blocks: bool = True,
        act_cfg: Config = RELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        downsample = partial(ConvPoolDownsample, bias=bias, norm_cfg=norm_cfg, act_cfg=act_cfg)
        block = partial(
            SplitShuffleBlock,
            split=split,
            shuffle=shuffle,
            bias=bias,
            norm_cfg=norm_cfg if norm_in_blocks else None,
            act_cfg=act_cfg,
        )
        low, high = dropout_ratio
        wide, middle, deep = channels
        self.stages = Stages(
            [
                nn.Sequential(
                    downsample(in_channels, wide),
                    *[block(wide, 1, dropout_ratio=low) for _ in range(blocks[0])],
                ),
                nn.Sequential(
                    downsample(wide, middle),
                    *[block(middle, 1, dropout_ratio=low) for _ in range(blocks[1])],
                ),
                nn.Sequential(
                    downsample(middle, deep),
                    *[block(deep, dilation, dropout_ratio=high) for dilation in dilations],
                ),
            ]
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps at 1/2, 1/4 and 1/8."""
        return self.stages(x)


@MODELS.register_module()
class APNHead(DecodeHead):
    """LEDNet's decoder: an attention pyramid network (APN) over the deepest map.

    A 1x1 convolution to the classes is multiplied by a map from a pyramid of strided 7x7, 5x5 and 3x3
    convolutions, and a branch of global average pooling is added.

    Args:
        in_channels: number of channels of the map.
        num_classes: number of classes, and so of channels of the logits.
        attention_pyramid: whether to use the attention pyramid; False replaces the whole head by one 1x1
            classifier.
        pyramid_width: number of channels of the pyramid. With 1, as released, there is one attention map for
            all classes, and each level passes a convolution of its own kernel size. With more, such as 128 in
            the authors' train/lednet_1.py, there is one attention map per class, and each level passes a 1x1
            convolution.
        pyramid_kernels: kernel sizes of the pyramid's three convolutions, from the largest map down.
        factorized: whether every kxk convolution of the pyramid is factorised into a kx1 and a 1xk
            convolution, as in the third-party version in Efficient-Segmentation-Networks; needs
            ``pyramid_width=1``.
        global_pooling: whether to add the branch of global average pooling.
        upsampling: how to get from 1/8 to full resolution: ``bilinear`` as the authors do (mmseg's resizing),
            or by three ``transposed`` convolutions.
        bias: whether the convolutions have a bias.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's config of the activation at the end of every branch.
        align_corners: whether every bilinear resizing aligns the corners of the two maps.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Raises:
        ValueError: a factorised pyramid of more than one channel, or an unknown upsampling.

    Shapes: map (N, in_channels, h, w) of any size -> logits (N, num_classes, h, w), or
    (N, num_classes, 8h, 8w) with transposed convolutions.
    """

    plain_classifier = True

    def __init__(
        self,
        in_channels: int = 128,
        *,
        num_classes: int,
        attention_pyramid: bool = True,
        pyramid_width: int = 1,
        pyramid_kernels: Sequence[int] = (7, 5, 3),
        factorized: bool = False,
        global_pooling: bool = True,
        upsampling: str = "bilinear",
        bias: bool = True,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = True,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        if factorized and pyramid_width != 1:
            raise ValueError(f"a factorised pyramid has one channel, not pyramid_width={pyramid_width}")
        if upsampling not in ("bilinear", "transposed"):
            raise ValueError(f"upsampling is bilinear or transposed, not {upsampling!r}")
        super().__init__(
            in_channels, in_channels, num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs
        )
        up = partial(TransposedConvNormAct, num_classes, num_classes, bias=bias)
        self.upsample = (
            nn.Sequential(
                up(norm_cfg=norm_cfg, act_cfg=act_cfg),
                up(norm_cfg=norm_cfg, act_cfg=act_cfg),
                up(norm_cfg=None, act_cfg=None),
            )
            if upsampling == "transposed"
            else nn.Identity()
        )
        self.attention_pyramid = attention_pyramid
        if not attention_pyramid:
            return
        self.conv_seg = None  # the logits come from ``middle``
        unit = partial(ConvNormAct, bias=bias, norm_cfg=norm_cfg, act_cfg=act_cfg)
        width = pyramid_width

        def level(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Module:
            if not factorized:
                return unit(inputs, outputs, kernel, stride=stride)
            vertical = nn.Conv2d(
                inputs, outputs, (kernel, 1), stride=(stride, 1), padding=(kernel // 2, 0), bias=bias
            )
            return nn.Sequential(vertical, unit(outputs, outputs, (1, kernel), stride=(1, stride)))

        first, second, third = pyramid_kernels
        self.down1 = level(in_channels, width, first, 2)
        self.down2 = level(width, width, second, 2)
        self.down3 = level(width, width, third, 2)
        if width == 1:
            self.lateral1, self.lateral2, self.lateral3 = (level(1, 1, k, 1) for k in pyramid_kernels)
        else:
            self.lateral1, self.lateral2, self.lateral3 = (unit(width, num_classes, 1) for _ in range(3))
        self.middle = unit(in_channels, num_classes, 1)
        self.pooled = unit(in_channels, num_classes, 1) if global_pooling else None

    def attention(self, x: Tensor) -> Tensor:
        """Return the pyramid's map: (N, in_channels, h, w) -> (N, 1 or num_classes, h, w)."""
        return pyramid_attention(self, x, self.align_corners)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at the map's resolution, or at eight times it with transposed convolutions."""
        x = self._transform_inputs(inputs)
        if not self.attention_pyramid:
            return self.upsample(self.cls_seg(x))
        y = self.attention(x) * self.middle(x)
        if self.pooled is not None:
            # A map of one pixel resized to h x w has the same value everywhere, so the sum can broadcast it.
            y = y + self.pooled(x.mean(dim=(2, 3), keepdim=True))
        return self.upsample(y)
