"""ERFNet: an encoder-decoder of factorised residual blocks.

Paper: Romera et al., T-ITS 2018 (10.1109/TITS.2017.2750080). Authors' code: github.com/Eromera/erfnet_pytorch
(train/erfnet.py, commit d4a46fa): with 20 outputs, as released, it has 2.067 M parameters and 26.74 G
multiply-adds at 512x1024.

mmseg has an ``ERFNet`` of its own, which is another network (config ``erfnet_mmseg``); this one is therefore
registered as ``ERFNetEncoder``. mmseg's ends in a 3x3 convolution to 128 channels, normalisation and a 1x1
classifier at half resolution instead of a transposed convolution to full resolution (2.084 M parameters,
29.35 G multiply-adds), drops single values with one rate of 0.1 instead of whole channels with 0.03 and 0.3,
shares one activation object between the layers of a block, and ignores its arguments ``norm_cfg`` and
``act_cfg``.

* The authors' code accepts only heights and widths that are multiples of 8. Here every size works: pooled
  maps are padded (:class:`~lednet_mm.layers.ConvPoolDownsample`), and the decoder ends at the next multiple
  of 8.
* The decoder is ``ESNetHead`` with ``kernel_sizes=(3, 3)``: ESNet took ERFNet's decoder over and enlarged its
  kernels.
* The authors first train the encoder with a 1x1 classifier at 1/8, then the whole network with an encoder
  pretrained on ImageNet.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import Config, ConvPoolDownsample, Stages
from lednet_mm.networks.esnet import BATCH_NORM, RELU, FactorizedUnit
from lednet_mm.networks.lednet import ENCODER_STAGE

CARD = Card(
    name="erfnet",
    title="ERFNet",
    paper="T-ITS 2018",
    repository="github.com/Eromera/erfnet_pytorch",
    commit="d4a46fa",
    vectors={"erfnet": Vector(changes={"model.auxiliary_head": ENCODER_STAGE})},
    published=[
        "ERFNet",
        "ERFNet (as listed in the LEDNet paper)",
        "ERFNet (PyTorch release by its authors)",
    ],
)


@MODELS.register_module()
class ERFNetEncoder(BaseModule):
    """ERFNet's encoder.

    Args:
        in_channels: number of channels of the image.
        channels: numbers of channels at 1/2, 1/4 and 1/8 of the input.
        blocks: number of blocks at 1/4.
        dilations: dilation rates, one block at 1/8 for each; all 1 removes the dilation.
        factorized: whether the blocks' convolutions are factorised into 3x1 and 1x3; False makes them 3x3.
        residual: whether each of the blocks adds its input to its output.
        dropout_ratio: dropout probability at 1/4, and dropout probability at 1/8.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        act_cfg: mmcv's activation config; a PReLU has one slope per channel.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default, as the authors do.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 16, H/2, W/2), (N, 64, H/4, W/4), (N, 128, H/8, W/8),
    each rounded up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (16, 64, 128),
        blocks: int = 5,
        dilations: Sequence[int] = (2, 4, 8, 16, 2, 4, 8, 16),
        factorized: bool = True,
        residual: bool = True,
        dropout_ratio: Sequence[float] = (0.03, 0.3),
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(init_cfg)
        downsample = partial(ConvPoolDownsample, norm_cfg=norm_cfg, act_cfg=act_cfg)
        block = partial(
            FactorizedUnit, factorized=factorized, residual=residual, norm_cfg=norm_cfg, act_cfg=act_cfg
        )
        low, high = dropout_ratio
        wide, middle, deep = channels
        self.stages = Stages(
            [
                downsample(in_channels, wide),
                nn.Sequential(
                    downsample(wide, middle), *[block(middle, dropout_ratio=low) for _ in range(blocks)]
                ),
                nn.Sequential(
                    downsample(middle, deep),
                    *[block(deep, dilation=dilation, dropout_ratio=high) for dilation in dilations],
                ),
            ]
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps at 1/2, 1/4 and 1/8."""
        return self.stages(x)
