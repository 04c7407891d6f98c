"""The head of networks that end in a bare classifier."""

from __future__ import annotations

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor, nn

from lednet_mm.layers import Config


@MODELS.register_module()
class ClassifierHead(BaseDecodeHead):
    """A 1x1 convolution without bias (mmseg's ``FCNHead`` with ``num_convs=0`` is the same with one).

    Args:
        in_channels: channels of the map.
        num_classes: channels of the result.
        kwargs: of mmseg's ``BaseDecodeHead``.

    Shapes: map (N, in_channels, h, w) of any size -> logits (N, num_classes, h, w).
    """

    def __init__(self, in_channels: int, *, num_classes: int, init_cfg: Config = None, **kwargs) -> None:
        super().__init__(
            in_channels=in_channels,
            channels=in_channels,
            num_classes=num_classes,
            dropout_ratio=0,
            init_cfg=init_cfg,
            **kwargs,
        )
        self.conv_seg = nn.Conv2d(in_channels, num_classes, 1, bias=False)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at the resolution of the map."""
        return self.cls_seg(self._transform_inputs(inputs))
