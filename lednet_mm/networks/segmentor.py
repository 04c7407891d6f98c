"""The segmentor of every config here: MMSegmentation's, with what depends on the dataset said once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.config import ConfigDict
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.layers import resize_like


@MODELS.register_module()
class WeightedCrossEntropy(nn.Module):
    """Cross entropy over the labelled pixels, as PyTorch's weighted mean and so as the authors' codes.

    Args:
        class_weight: one weight a class; None weighs all alike.
        loss_weight: factor of the whole loss (of an auxiliary head, say).
        loss_name: the name in the log; it must begin with ``loss_``.
    """

    def __init__(
        self,
        class_weight: Sequence[float] | None = None,
        loss_weight: float = 1.0,
        loss_name: str = "loss_ce",
    ) -> None:
        super().__init__()
        self.class_weight = None if class_weight is None else list(class_weight)
        self.loss_weight = loss_weight
        self.loss_name = loss_name

    def forward(
        self, logits: Tensor, label: Tensor, weight: Tensor | None = None, ignore_index: int = 255
    ) -> Tensor:
        """Return the mean over labelled pixels.

        Args:
            logits: (N, classes, H, W).
            label: (N, H, W), class ids; ``ignore_index`` marks pixels without a label.
            weight: unused, in mmseg's call for its pixel samplers.
            ignore_index: see ``label``.
        """
        weights = None if self.class_weight is None else logits.new_tensor(self.class_weight)
        total = F.cross_entropy(logits, label, weights, ignore_index=ignore_index, reduction="sum")
        labelled = label != ignore_index
        # A batch without one labelled pixel gives 0, not 0/0.
        norm = labelled.sum() if weights is None else weights[label[labelled]].sum()
        return self.loss_weight * total / norm.clamp(min=1e-6)


@MODELS.register_module()
class Segmentor(EncoderDecoder):
    """``EncoderDecoder`` whose heads all learn the same classes with the same class weights.

    Args:
        num_classes: given to every head.
        class_weight: given to every loss of every head; None weighs all classes alike.
        decode_head: as in ``EncoderDecoder``; without ``loss_decode`` it gets :class:`WeightedCrossEntropy`.
        auxiliary_head: the same, one or a list.
        kwargs: of ``EncoderDecoder``.

    Shapes: images (N, 3, H, W) -> logits (N, num_classes, H, W) in ``predict``.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        decode_head: dict,
        auxiliary_head: dict | Sequence[dict] | None = None,
        class_weight: Sequence[float] | None = None,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        **kwargs,
    ) -> None:
        def complete(head: Any) -> dict:
            losses = head.get("loss_decode", {"type": "WeightedCrossEntropy"})
            several = isinstance(losses, (list, tuple))
            weighted = [{**loss, "class_weight": class_weight} for loss in (losses if several else [losses])]
            return {**head, "num_classes": num_classes, "loss_decode": weighted if several else weighted[0]}

        if isinstance(auxiliary_head, (list, tuple)):
            auxiliary_head = [complete(head) for head in auxiliary_head]
        elif auxiliary_head is not None:
            auxiliary_head = complete(auxiliary_head)
        super().__init__(
            decode_head=complete(decode_head),
            auxiliary_head=auxiliary_head,
            train_cfg=ConfigDict(train_cfg or {}),
            test_cfg=ConfigDict(test_cfg or {"mode": "whole"}),
            **kwargs,
        )

    def logits(self, images: Tensor) -> Tensor:
        """Return what is measured and deployed: logits at input resolution.

        Shapes: normalised images (N, 3, H, W) -> (N, num_classes, H, W).
        """
        return resize_like(self.decode_head(self.extract_feat(images)), images, self.align_corners)
