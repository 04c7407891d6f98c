"""The common parts of the heads here, and heads that several networks share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.layers import Config, ConvNormAct, NormAct, NormActConv, match_size

BATCH_NORM = {"type": "BN"}
RELU = {"type": "ReLU"}


def stack_labels(samples: Sequence[Any]) -> Tensor:
    """Return the labels of N samples as (N, 1, H, W)."""
    return torch.stack([sample.gt_sem_seg.data for sample in samples])


class AsynchronousHead(BaseDecodeHead):
    """mmseg's ``BaseDecodeHead`` with a loss and an accuracy that do not make the CPU wait for the GPU."""

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: list) -> dict[str, Tensor]:
        """Return the losses by name, and ``acc_seg``, the percentage of labelled pixels that are right.

        The values equal mmseg's. Its accuracy costs more time than the loss and waits for the GPU, and it
        always resizes, even to the same size.

        Args:
            seg_logits: (N, num_classes, h, w) logits.
            batch_data_samples: N samples whose labels have one size.
        """
        label = self._labels(seg_logits, batch_data_samples)  # (N, 1, H, W)
        logits = match_size(seg_logits, label, self.align_corners)
        weight = None if self.sampler is None else self.sampler.sample(logits, label)
        label = label.squeeze(1)
        decode = self.loss_decode
        losses: dict[str, Tensor] = {}
        for loss in decode if isinstance(decode, nn.ModuleList) else [decode]:
            value = loss(logits, label, weight=weight, ignore_index=self.ignore_index)
            name = str(loss.loss_name)
            losses[name] = losses[name] + value if name in losses else value
        return {**losses, "acc_seg": pixel_accuracy(logits.detach(), label, self.ignore_index)}

    def _labels(self, seg_logits: Tensor, samples: Sequence[Any]) -> Tensor:
        """Return the labels that the head learns from: (N, 1, H, W)."""
        return stack_labels(samples)


class DecodeHead(AsynchronousHead):
    """mmseg's ``BaseDecodeHead`` in the form needed here: for one or several maps, and without dropout.

    A head makes its own layers. In ``forward`` it computes the logits from
    ``self._transform_inputs(inputs)``, which is one map, or a list of maps if ``in_channels`` is a list.

    Args:
        in_channels: number of channels of the map, or a list with that of each map.
        channels: number of channels of the map that is classified.
        num_classes: number of channels of the result.
        norm_cfg: normalisation of the head's layers, kept as an attribute.
        act_cfg: activation of the head's layers, kept as an attribute.
        align_corners: ``align_corners`` for resizing the logits to the image.
        init_cfg: mmengine's initialisation; None is PyTorch's default.
        in_index: indices of the backbone's maps to take. None takes the deepest map or, if ``in_channels`` is
            a list, as many maps from the first on.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Attributes:
        plain_classifier: whether ``conv_seg``, which ``self.cls_seg(x)`` applies, is mmseg's 1x1 convolution
            with a bias. Otherwise it is None until a head makes its own.
    """

    plain_classifier = False
    conv_seg: nn.Module | None

    def __init__(
        self,
        in_channels: int | Sequence[int],
        channels: int,
        num_classes: int,
        norm_cfg: Config = None,
        act_cfg: Config = None,
        align_corners: bool = False,
        init_cfg: Config = None,
        in_index: int | Sequence[int] | None = None,
        **kwargs,
    ) -> None:
        if isinstance(in_channels, int):
            maps: dict[str, Any] = {
                "in_channels": in_channels,
                "in_index": -1 if in_index is None else in_index,
            }
        else:
            order = list(range(len(in_channels))) if in_index is None else in_index
            maps = {"in_channels": list(in_channels), "in_index": order, "input_transform": "multiple_select"}
        super().__init__(
            **maps,
            channels=channels,
            num_classes=num_classes,
            dropout_ratio=0,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
            align_corners=align_corners,
            init_cfg=init_cfg,
            **kwargs,
        )
        if not self.plain_classifier:
            self.conv_seg = None

    def _transform_inputs(self, inputs: Sequence[Tensor]) -> Any:
        """Return the map that the head takes, or a list of maps."""
        if isinstance(self.in_index, int):
            return inputs[self.in_index]
        return [inputs[index] for index in self.in_index]


def pixel_accuracy(logits: Tensor, label: Tensor, ignore_index: int = 255) -> Tensor:
    """Return the percentage of labelled pixels that are right; 0 if no pixel is labelled.

    It avoids sorting and boolean indexing, which would make the CPU wait for the GPU.

    Args:
        logits: (N, classes, H, W) logits.
        label: (N, H, W) class ids; ``ignore_index`` marks pixels without a label.
        ignore_index: see ``label``.
    """
    labelled = label != ignore_index
    own = logits.gather(1, label.where(labelled, 0).unsqueeze(1)).squeeze(1)
    right = (own >= logits.amax(1)) & labelled
    return 100 * right.sum() / labelled.sum().clamp(min=1)


@MODELS.register_module()
class ClassifierHead(DecodeHead):
    """A 1x1 convolution without bias; with bias, it is mmseg's ``FCNHead`` with ``num_convs=0``.

    Args:
        in_channels: number of channels of the map.
        num_classes: number of channels of the result.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: map (N, in_channels, h, w) of any size -> logits (N, num_classes, h, w).
    """

    def __init__(self, in_channels: int, *, num_classes: int, init_cfg: Config = None, **kwargs) -> None:
        super().__init__(in_channels, in_channels, num_classes, init_cfg=init_cfg, **kwargs)
        self.conv_seg = nn.Conv2d(in_channels, num_classes, 1, bias=False)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at the resolution of the map."""
        return self.cls_seg(self._transform_inputs(inputs))


@MODELS.register_module()
class EncoderHead(DecodeHead):
    """A 1x1 convolution with which an encoder is trained alone, on labels at the resolution of its map.

    LEDNet's authors train so in their first stage (github.com/xiaoyufenfei/LEDNet, train/main.py): labels are
    reduced to the map's size by nearest neighbours, where other heads enlarge the logits. In prediction the
    logits are enlarged as in every head.

    Args:
        in_channels: number of channels of the map; None asks
            :class:`~lednet_mm.networks.segmentor.Segmentor` to find out the number of the backbone's deepest
            map.
        num_classes: number of channels of the result.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: map (N, in_channels, h, w) of any size -> logits (N, num_classes, h, w).
    """

    plain_classifier = True

    def __init__(self, in_channels: int, *, num_classes: int, **kwargs) -> None:
        super().__init__(in_channels, in_channels, num_classes, **kwargs)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at the resolution of the map."""
        return self.cls_seg(self._transform_inputs(inputs))

    def _labels(self, seg_logits: Tensor, samples: Sequence[Any]) -> Tensor:
        """Return the labels at the resolution of the map: (N, 1, h, w)."""
        label = stack_labels(samples)
        # Exact for all ids, since float32 holds whole numbers; Pillow's nearest neighbour is the same.
        reduced = F.interpolate(label.float(), seg_logits.shape[2:], mode="nearest-exact")
        return reduced.to(label.dtype)


@MODELS.register_module()
class NormFirstHead(DecodeHead):
    """The head of DDRNet and its successors: twice normalisation, activation and convolution (3x3, then 1x1).

    Args:
        in_channels: number of channels of the map.
        channels: number of channels between the convolutions; None keeps that of the map.
        num_classes: number of channels of the result.
        bias: whether the 3x3 convolution has a bias; the classifier has one.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: map (N, in_channels, h, w) of any size -> logits (N, num_classes, h, w).
    """

    plain_classifier = True

    def __init__(
        self,
        in_channels: int,
        channels: int | None = None,
        *,
        num_classes: int,
        bias: bool = False,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = False,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        channels = channels or in_channels
        super().__init__(
            in_channels, channels, num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs
        )
        self.unit = NormActConv(in_channels, channels, 3, bias=bias, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.norm_act = NormAct(channels, norm_cfg, act_cfg)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at the resolution of the map."""
        return self.cls_seg(self.norm_act(self.unit(self._transform_inputs(inputs))))


@MODELS.register_module()
class ConvHead(DecodeHead):
    """A convolution with norm and activation, then a convolution to the classes.

    Args:
        in_channels: number of channels of the map.
        channels: number of channels between the convolutions.
        num_classes: number of channels of the result.
        kernel_size: kernel size of the first convolution.
        classifier_kernel: kernel size of the second convolution.
        classifier_bias: whether the second convolution has a bias.
        dropout: probability of zeroing a value before the second convolution.
        channel_dropout: probability of zeroing a channel there.
        norm_cfg: mmcv's normalisation config; None leaves it out.
        act_cfg: mmcv's activation config.
        kwargs: further arguments of mmseg's ``BaseDecodeHead``.

    Shapes: map (N, in_channels, h, w) of any size -> logits (N, num_classes, h, w).
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        *,
        num_classes: int,
        kernel_size: int = 3,
        classifier_kernel: int = 1,
        classifier_bias: bool = False,
        dropout: float = 0,
        channel_dropout: float = 0,
        norm_cfg: Config = BATCH_NORM,
        act_cfg: Config = RELU,
        align_corners: bool = False,
        init_cfg: Config = None,
        **kwargs,
    ) -> None:
        super().__init__(
            in_channels, channels, num_classes, norm_cfg, act_cfg, align_corners, init_cfg, **kwargs
        )
        self.unit = ConvNormAct(in_channels, channels, kernel_size, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.drop = nn.Sequential(nn.Dropout(dropout), nn.Dropout2d(channel_dropout))
        self.conv_seg = nn.Conv2d(
            channels, num_classes, classifier_kernel, padding=classifier_kernel // 2, bias=classifier_bias
        )

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the logits at the resolution of the map."""
        return self.cls_seg(self.drop(self.unit(self._transform_inputs(inputs))))
