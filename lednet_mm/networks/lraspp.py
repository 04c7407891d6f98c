"""LR-ASPP's head for images of any size; the network itself is MMSegmentation's MobileNetV3.

Paper: Howard et al., ICCV 2019, arXiv:1905.02244.
"""

from __future__ import annotations

import torch
from mmseg.models.decode_heads import LRASPPHead
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.cards import Card
from lednet_mm.networks.heads import AsynchronousHead
from lednet_mm.networks.mmsegmentation import REPOSITORY

CARD = Card(
    name="mobilenetv3_lraspp",
    title="MobileNetV3-large with LR-ASPP (MMSegmentation's)",
    paper="arXiv:1905.02244",
    repository=REPOSITORY,
    published=["MobileNetV3-Large LR-ASPP"],
)


class ClippedAveragePool(nn.Module):
    """Average pooling whose window is cut to the size of the map where the map is smaller.

    Args:
        kernel_size: height and width of the window.
        stride: stride of the window as (height, width).

    Shapes: (N, C, H, W) -> (N, C, h, w), where an axis shorter than ``kernel_size`` becomes 1.
    """

    def __init__(self, kernel_size: int, stride: tuple[int, int]) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        # A trace fixes the size of a pooling window; matrix products follow the map's size.
        if torch.onnx.is_in_onnx_export():
            lengths = [torch.as_tensor(length) for length in x.shape[2:]]
            rows, columns = (self._windows(n, s).to(x) for n, s in zip(lengths, self.stride, strict=True))
            return rows @ x @ columns.transpose(0, 1)
        window = [min(self.kernel_size, int(length)) for length in x.shape[2:]]
        return F.avg_pool2d(x, window, self.stride)

    def _windows(self, length: Tensor, stride: int) -> Tensor:
        """Return the pooling of one axis as a matrix of shape (windows, length)."""
        size = length.clamp(max=self.kernel_size)
        start = stride * torch.arange((length - size) // stride + 1)[:, None]  # type: ignore[call-overload]
        position = torch.arange(length)  # type: ignore[call-overload]
        return ((position >= start) & (position < start + size)) / size


@MODELS.register_module()
class AnySizeLRASPPHead(LRASPPHead, AsynchronousHead):
    """mmseg's ``LRASPPHead`` for maps that are smaller than its pooling window of 49, where mmseg's fails.

    CamVid's images of 480x360 have such maps. For larger maps both heads give the same result.

    Args:
        kwargs: further arguments of mmseg's ``LRASPPHead``.

    Shapes: maps (N, C, H, W) of several resolutions -> logits at the resolution of the first.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        pool = self.image_pool[0]
        self.image_pool[0] = ClippedAveragePool(pool.kernel_size, pool.stride)
