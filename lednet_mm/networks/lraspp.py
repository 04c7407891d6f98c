"""LR-ASPP with MobileNetV3-large: as torchvision has it, and MMSegmentation's, which is another network.

Paper: Howard et al., ICCV 2019, arXiv:1905.02244. The authors' code is not public in PyTorch. The network
reproduced here, with outputs proven equal, is torchvision's (0.28.0), a **third party's**: 3.22 M parameters
with 19 classes. Its last three blocks are dilated, so that the deepest map is at 1/16, and it takes details
at 1/8.

MMSegmentation's network dilates from 1/8 on, takes details at 1/2 and 1/4 and joins the maps. Here its head
works for images of any size.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmseg.models.decode_heads import LRASPPHead
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.cards import Card, Vector
from lednet_mm.layers import Config, ConvNormAct, resize_like
from lednet_mm.networks.heads import AsynchronousHead, DecodeHead
from lednet_mm.networks.mmsegmentation import REPOSITORY
from lednet_mm.networks.mobilenetv3 import MobileNetV3
from lednet_mm.networks.repositories import THIRD_PARTY

PAPER = "arXiv:1905.02244"

CARDS = [
    Card(
        name="lraspp_torchvision",
        title="MobileNetV3-large with LR-ASPP (torchvision's)",
        paper=PAPER,
        repository="torchvision",
        commit="0.28.0",
        deviations=[THIRD_PARTY],
        vectors={"lraspp_torchvision": Vector()},
        published=["MobileNetV3-Large LR-ASPP"],
    ),
    Card(
        name="mobilenetv3_lraspp",
        title="MobileNetV3-large with LR-ASPP (MMSegmentation's)",
        paper=PAPER,
        repository=REPOSITORY,
        deviations=[
            "It dilates from 1/8 on; torchvision's stays at 1/16.",
            "The head joins maps at 1/2, 1/4 and 1/8; torchvision's adds logits at 1/8 and 1/16.",
        ],
        from_mmsegmentation=True,
        authors_forms=["lraspp_torchvision"],
    ),
]

BATCH_NORM = {"type": "BN", "eps": 1e-3, "momentum": 0.01}
HEAD_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}


@MODELS.register_module()
class DilatedMobileNetV3(MobileNetV3):
    """MobileNetV3-large whose last blocks are dilated, as torchvision has it.

    Args:
        in_channels: number of channels of the image.
        dilated: number of blocks at the end that are dilated and not strided.
        out_indices: indices of the blocks whose maps are returned before the deepest one.
        norm_cfg: mmcv's normalisation config; None removes all normalisation.
        init_cfg: mmengine's initialisation config; None keeps PyTorch's default.

    Shapes: image (N, 3, H, W) of any size -> maps (N, 40, H/8, W/8) and (N, 960, H/16, W/16), each rounded
        up.
    """

    def __init__(
        self,
        in_channels: int = 3,
        dilated: int = 3,
        out_indices: Sequence[int] = (3,),
        norm_cfg: Config = BATCH_NORM,
        init_cfg: Config = None,
    ) -> None:
        super().__init__(
            in_channels,
            "large",
            dilated,
            out_indices,
            linear_excitation=False,
            excitation_first=False,
            norm_cfg=norm_cfg,
            init_cfg=init_cfg,
        )


@MODELS.register_module()
class GatedLogitsHead(DecodeHead):
    """LR-ASPP: the deepest map is weighted by its global means, and logits of two resolutions are added.

    Args:
        in_channels: numbers of channels of the fine and of the deep map.
        num_classes: number of classes, and so of channels of the logits.
        channels: number of channels of the weighted map.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.
        align_corners: whether every bilinear resizing aligns the corners of the two maps.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: maps (N, C, h, w) and (N, D, h/2, w/2) -> logits (N, num_classes, h, w).
    """

    plain_classifier = True

    def __init__(
        self,
        in_channels: Sequence[int] = (40, 960),
        *,
        num_classes: int,
        channels: int = 128,
        norm_cfg: Config = HEAD_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = False,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        fine, deep = in_channels
        super().__init__(
            in_channels, channels, num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs
        )
        self.reduce = ConvNormAct(deep, channels, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.gate = nn.Conv2d(deep, channels, 1, bias=False)
        self.fine = nn.Conv2d(fine, num_classes, 1)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at the resolution of the fine map."""
        fine, deep = self._transform_inputs(inputs)
        x = self.reduce(deep) * self.gate(F.adaptive_avg_pool2d(deep, 1)).sigmoid()
        return self.fine(fine) + self.cls_seg(resize_like(x, fine, self.align_corners))


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
