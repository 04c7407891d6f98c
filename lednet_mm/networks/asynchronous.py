"""MMSegmentation's heads, losses and sampler without operations that make the CPU wait for the GPU.

In every training step, MMSegmentation indexes by masks and reads the values of tensors, and the processor
then waits until the GPU has computed them. The classes here compute the same numbers from whole maps.
:class:`~lednet_mm.networks.segmentor.Segmentor` uses them instead of MMSegmentation's, so configs still name
MMSegmentation's classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmseg.models.decode_heads import DDRHead, DepthwiseSeparableFCNHead, FCNHead, SegformerHead, STDCHead
from mmseg.models.losses import BoundaryLoss, CrossEntropyLoss, OhemCrossEntropy
from mmseg.structures.sampler import OHEMPixelSampler
from torch import Tensor
from torch.nn import functional as F

from lednet_mm.layers import resize_like
from lednet_mm.networks.heads import AsynchronousHead, pixel_accuracy, stack_labels


def hardest_pixels(logits: Tensor, label: Tensor, ignore_index: int, threshold: float, kept: int) -> Tensor:
    """Find the labelled pixels whose own class has a probability below a threshold.

    The threshold is raised if fewer than ``kept`` pixels would be found.

    Args:
        logits: (N, classes, H, W).
        label: (N, H, W), class ids; ``ignore_index`` marks pixels without a label.
        ignore_index: see ``label``.
        threshold: threshold for the probability of a pixel's own class.
        kept: least number of pixels to find; ties and missing labels may change it.

    Returns:
        (N, H, W) bool.
    """
    labelled = label != ignore_index
    own = F.softmax(logits, dim=1).gather(1, label.where(labelled, 0).unsqueeze(1)).squeeze(1)
    ordered = own.where(labelled, torch.inf).flatten().sort().values
    last = (labelled.sum() - 1).clamp(min=0, max=kept)
    return labelled & (own < ordered.gather(0, last.reshape(1)).clamp(min=threshold))


class HardestPixelSampler(OHEMPixelSampler):
    """mmseg's ``OHEMPixelSampler``."""

    def sample(self, seg_logit: Tensor, seg_label: Tensor) -> Tensor:
        """Return 1 for every pixel from which the network learns, else 0: (N, H, W).

        Args:
            seg_logit: (N, classes, H, W) logits.
            seg_label: (N, 1, H, W) class ids.
        """
        if self.thresh is None:
            return super().sample(seg_logit, seg_label)
        kept = self.min_kept * len(seg_label)
        label = seg_label.squeeze(1).long()
        with torch.no_grad():
            found = hardest_pixels(seg_logit, label, self.context.ignore_index, self.thresh, kept)
        return found.to(seg_logit.dtype)


class HardestPixelsCrossEntropy(OhemCrossEntropy):
    """mmseg's ``OhemCrossEntropy``, except that its value is 0 for a batch without such pixels."""

    def forward(self, score: Tensor, target: Tensor) -> Tensor:
        """Return the mean over the hardest pixels.

        Args:
            score: (N, classes, H, W) logits.
            target: (N, H, W) class ids.
        """
        weights = None if self.class_weight is None else score.new_tensor(self.class_weight)
        losses = F.cross_entropy(score, target, weights, ignore_index=self.ignore_label, reduction="none")
        with torch.no_grad():
            found = hardest_pixels(score, target, self.ignore_label, self.thresh, self.min_kept)
        return self.loss_weight * (losses.where(found, 0).sum() / found.sum().clamp(min=1))


class EdgeLoss(BoundaryLoss):
    """mmseg's ``BoundaryLoss``."""

    def forward(self, bd_pre: Tensor, bd_gt: Tensor) -> Tensor:
        """Return the binary cross entropy in which the edges together weigh as much as all other pixels.

        Args:
            bd_pre: (N, 1, H, W) logits.
            bd_gt: (N, H, W), 1 at edges, 0 elsewhere, and any other value at pixels that do not count.
        """
        logits = bd_pre.permute(0, 2, 3, 1).reshape(1, -1)
        target = bd_gt.reshape(1, -1).float()
        edges, others = target == 1, target == 0
        n_edges, n_others = edges.sum(), others.sum()
        total = n_edges + n_others
        weight = torch.zeros_like(logits).where(~edges, n_others / total).where(~others, n_edges / total)
        return self.loss_weight * F.binary_cross_entropy_with_logits(logits, target, weight)


class SigmoidCrossEntropy(CrossEntropyLoss):
    """mmseg's ``CrossEntropyLoss``, whose mean binary cross entropy of several classes needs no wait here."""

    def forward(
        self,
        cls_score: Tensor,
        label: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
        reduction_override: str | None = None,
        ignore_index: int = -100,
        **kwargs: Any,
    ) -> Tensor:
        """Return the loss.

        Args:
            cls_score: (N, classes, H, W) logits.
            label: (N, H, W) class ids; ``ignore_index`` marks pixels without a label.
            weight: (N, H, W) factors of the pixels; None weighs all pixels equally.
            avg_factor: number by which the sum is divided; None is the number of values.
            reduction_override: reduction that replaces ``reduction``.
            ignore_index: see ``label``.
            kwargs: further arguments of ``CrossEntropyLoss``.
        """
        maps_of_classes = cls_score.dim() == 4 and cls_score.shape[1] > 1 and label.dim() == 3
        is_mean = (reduction_override or self.reduction) == "mean" and avg_factor is None
        plain = self.class_weight is None and not self.avg_non_ignore
        if not (self.use_sigmoid and maps_of_classes and is_mean and plain):
            return super().forward(
                cls_score, label, weight, avg_factor, reduction_override, ignore_index, **kwargs
            )
        labelled = ((label >= 0) & (label != ignore_index)).unsqueeze(1)
        classes = torch.arange(cls_score.shape[1], device=label.device).reshape(1, -1, 1, 1)
        target = ((label.unsqueeze(1) == classes) & labelled).to(cls_score.dtype)
        losses = F.binary_cross_entropy_with_logits(cls_score, target, reduction="none")
        factor = labelled.float() if weight is None else weight.unsqueeze(1) * labelled
        return self.loss_weight * (losses * factor).mean()


class PlainHead(FCNHead, AsynchronousHead):
    """mmseg's ``FCNHead``."""


class SeparableHead(DepthwiseSeparableFCNHead, AsynchronousHead):
    """mmseg's ``DepthwiseSeparableFCNHead``."""


class TransformerHead(SegformerHead, AsynchronousHead):
    """mmseg's ``SegformerHead``."""


class DetailHead(STDCHead, AsynchronousHead):
    """mmseg's ``STDCHead``, which makes its target and leaves the loss to ``AsynchronousHead``."""


class TwoBranchHead(DDRHead, AsynchronousHead):
    """mmseg's ``DDRHead``."""

    def loss_by_feat(self, seg_logits: Any, batch_data_samples: list) -> dict[str, Tensor]:
        """Return the losses by name, and ``acc_seg``, the percentage of labelled pixels that are right.

        Args:
            seg_logits: (N, num_classes, h, w) logits of the context branch and of the spatial branch.
            batch_data_samples: N samples whose labels have one size.
        """
        label = stack_labels(batch_data_samples)  # (N, 1, H, W)
        context, spatial = (resize_like(x, label, self.align_corners) for x in seg_logits)
        label = label.squeeze(1)
        return {
            "loss_context": self.loss_decode[0](context, label),
            "loss_spatial": self.loss_decode[1](spatial, label),
            "acc_seg": pixel_accuracy(context.detach(), label, self.ignore_index),
        }


REPLACEMENTS: Mapping[str, type] = {
    "BoundaryLoss": EdgeLoss,
    "CrossEntropyLoss": SigmoidCrossEntropy,
    "DDRHead": TwoBranchHead,
    "DepthwiseSeparableFCNHead": SeparableHead,
    "FCNHead": PlainHead,
    "OHEMPixelSampler": HardestPixelSampler,
    "OhemCrossEntropy": HardestPixelsCrossEntropy,
    "STDCHead": DetailHead,
    "SegformerHead": TransformerHead,
}
"""MMSegmentation's name of a class -> name of its replacement here."""


def without_waiting(part: Any) -> Any:
    """Return the config of a head, a loss or a sampler with the replacement classes of this file.

    Args:
        part: the config, or a sequence of configs; None stays None.
    """
    if isinstance(part, Sequence) and not isinstance(part, str):
        return [without_waiting(one) for one in part]
    if not isinstance(part, Mapping):
        return part
    changed = {**part}
    if isinstance(kind := part.get("type"), str):
        changed["type"] = REPLACEMENTS.get(kind, kind)
        if kind == "DiceLoss":
            changed.setdefault("ignore_index", None)  # the default is a class that no head here has
    for key in ("loss_decode", "sampler"):
        if key in part:
            changed[key] = without_waiting(part[key])
    return changed
