"""PIDNet's head, which computes edges from the labels; the network itself is MMSegmentation's.

Paper: Xu et al., CVPR 2023, arXiv:2206.02066.
"""

from __future__ import annotations

import torch
from mmseg.models.decode_heads import PIDHead
from mmseg.registry import MODELS
from torch import Tensor
from torch.nn import functional as F

from lednet_mm.cards import Card
from lednet_mm.layers import resize_like
from lednet_mm.networks.heads import pixel_accuracy, stack_labels
from lednet_mm.networks.mmsegmentation import REPOSITORY

CARD = Card(
    name="pidnet_s",
    title="PIDNet-S (MMSegmentation's)",
    paper="arXiv:2206.02066",
    repository=REPOSITORY,
    published=["PIDNet-S"],
)


def label_edges(labels: Tensor, width: int, ignore_index: int = 255) -> Tensor:
    """Find the pixels around borders between classes, as mmseg's ``GenerateEdge`` does.

    Args:
        labels: class ids (N, 1, H, W).
        width: width of the edges in pixels.
        ignore_index: id of pixels without a label; borders to them do not count as edges.

    Returns:
        (N, 1, H, W) of 0 and 1.
    """

    def border(one: Tensor, other: Tensor) -> Tensor:
        return ((one != other) & (one != ignore_index) & (other != ignore_index)).float()

    vertical = border(labels[..., 1:, :], labels[..., :-1, :])
    horizontal = border(labels[..., :, :-1], labels[..., :, 1:])
    falling = border(labels[..., :-1, :-1], labels[..., 1:, 1:])
    rising = border(labels[..., :-1, 1:], labels[..., 1:, :-1])
    # Of each pair one pixel is marked: the lower of a vertical pair, the left of a horizontal, the upper of a
    # diagonal.
    marks = [
        F.pad(vertical, (0, 0, 1, 0)),
        F.pad(horizontal, (0, 1, 0, 0)),
        F.pad(falling, (0, 1, 0, 1)),
        F.pad(rising, (1, 0, 0, 1)),
    ]
    edges = torch.stack(marks).amax(dim=0)
    # Like OpenCV's dilation, an even width reaches one pixel farther before than after.
    before = width // 2
    after = width - 1 - before
    return F.max_pool2d(F.pad(edges, (before, after, before, after)), width, stride=1).to(labels.dtype)


@MODELS.register_module()
class PIDNetHead(PIDHead):
    """mmseg's ``PIDHead``, which learns from labels alone: it needs no ``GenerateEdge`` in the pipeline.

    Args:
        edge_width: width in pixels of the class borders on which the boundary loss is computed.
        kwargs: further arguments of mmseg's ``PIDHead``.

    Shapes: in evaluation a map (N, in_channels, h, w) -> logits (N, num_classes, h, w); in training the maps
    of the proportional, integral and derivative branches -> two class logits and the logits of the edges.
    """

    def __init__(self, *, edge_width: int = 4, **kwargs) -> None:
        super().__init__(**kwargs)
        self.edge_width = edge_width

    def loss_by_feat(self, seg_logits: tuple[Tensor, ...], batch_data_samples: list) -> dict[str, Tensor]:
        """Return the losses by name, and ``acc_seg``, the percentage of labelled pixels that are right.

        Args:
            seg_logits: logits of the proportional and integral branch, each (N, num_classes, h, w), and of
                the derivative branch, (N, 1, h, w).
            batch_data_samples: N samples with labels of one size.
        """
        label = stack_labels(batch_data_samples)  # (N, 1, H, W)
        edges = label_edges(label, self.edge_width, self.ignore_index).squeeze(1)
        proportional, integral, derivative = (
            resize_like(logits, label, self.align_corners) for logits in seg_logits
        )
        label = label.squeeze(1)
        near_edges = label.where(derivative[:, 0].sigmoid() > 0.8, self.ignore_index)
        return {
            "loss_sem_p": self.loss_decode[0](proportional, label, ignore_index=self.ignore_index),
            "loss_sem_i": self.loss_decode[1](integral, label),
            "loss_bd": self.loss_decode[2](derivative, edges),
            "loss_sem_bd": self.loss_decode[3](integral, near_edges),
            "acc_seg": pixel_accuracy(integral.detach(), label, self.ignore_index),
        }
