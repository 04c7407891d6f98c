"""MMSegmentation's segmentor, extended so that a config states the dataset's classes and weights once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from mmengine.config import ConfigDict
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from mmseg.utils import add_prefix
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.layers import match_size
from lednet_mm.networks.asynchronous import without_waiting


@MODELS.register_module()
class WeightedCrossEntropy(nn.Module):
    """Cross entropy as PyTorch's weighted mean over the labelled pixels, like in the authors' code.

    Args:
        class_weight: weight of each class; None weighs all classes equally.
        loss_weight: factor of the loss (for an auxiliary head, for example).
        loss_name: name in the log, which must begin with ``loss_``.
    """

    _weights: Tensor | None

    def __init__(
        self,
        class_weight: Sequence[float] | None = None,
        loss_weight: float = 1.0,
        loss_name: str = "loss_ce",
    ) -> None:
        super().__init__()
        self.class_weight = None if class_weight is None else list(class_weight)
        weights = None if class_weight is None else torch.tensor(self.class_weight, dtype=torch.float64)
        self.register_buffer("_weights", weights, persistent=False)
        self.loss_weight = loss_weight
        self.loss_name = loss_name

    def forward(
        self, logits: Tensor, label: Tensor, weight: Tensor | None = None, ignore_index: int = 255
    ) -> Tensor:
        """Return the mean over labelled pixels.

        Args:
            logits: (N, classes, H, W) logits.
            label: (N, H, W) class ids; ``ignore_index`` marks pixels without a label.
            weight: (N, H, W) factors of the pixels, from mmseg's pixel samplers; None weighs all equally.
            ignore_index: see ``label``.
        """
        weights = self._weights
        if weights is not None:  # kept in float32 even if the logits are not
            weights = weights.to(torch.promote_types(logits.dtype, torch.float32))
        labelled = label != ignore_index
        # Weight of each pixel by its label, without boolean indexing, which makes the CPU wait for the GPU.
        share = labelled if weights is None else F.pad(weights, (0, 1))[label.where(labelled, len(weights))]
        if weight is None:
            total = F.cross_entropy(logits, label, weights, ignore_index=ignore_index, reduction="sum")
        else:
            losses = F.cross_entropy(logits, label, weights, ignore_index=ignore_index, reduction="none")
            total, share = (losses * weight).sum(), share * weight
        # A batch without labelled pixels gives 0, not 0/0.
        return self.loss_weight * total / share.sum().clamp(min=1e-6)


def deepest_channels(backbone: Mapping[str, Any]) -> int:
    """Return the number of channels of a backbone's deepest map, by running it without memory.

    Args:
        backbone: config of the backbone.
    """
    with torch.device("meta"), torch.no_grad():
        maps = MODELS.build(backbone).eval()(torch.empty(1, 3, 256, 256))
    return maps[-1].shape[1]


@MODELS.register_module()
class Segmentor(EncoderDecoder):
    """``EncoderDecoder`` whose heads all learn the same classes with the same class weights.

    MMSegmentation's heads, losses and sampler are replaced by versions that do not wait for the GPU
    (:mod:`lednet_mm.networks.asynchronous`).

    Args:
        num_classes: number of classes of every head that does not state its own (a head for edges does).
        class_weight: class weights of every :class:`WeightedCrossEntropy`; None weighs all classes equally.
        decode_head: as in ``EncoderDecoder``; without ``loss_decode`` it gets :class:`WeightedCrossEntropy`,
            and an ``in_channels`` of None becomes the number of channels of the backbone's deepest map.
        backbone: as in ``EncoderDecoder``.
        auxiliary_head: one head or a list of heads, in the same form.
        size_multiple: number of which the backbone needs the image's height and width to be multiples. Other
            images are padded with zeros at the bottom and right, and the maps are cropped accordingly.
        kwargs: further arguments of ``EncoderDecoder``.

    Attributes:
        learning: heads whose loss is computed: ``all``, or the ``auxiliary`` or ``decode`` head alone in one
            stage of a training.

    Shapes: images (N, 3, H, W) -> logits (N, num_classes, H, W) in ``predict``.
    """

    learning: Literal["all", "auxiliary", "decode"] = "all"

    def __init__(
        self,
        *,
        num_classes: int,
        decode_head: dict,
        auxiliary_head: dict | Sequence[dict] | None = None,
        backbone: dict,
        class_weight: Sequence[float] | None = None,
        size_multiple: int = 1,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        **kwargs,
    ) -> None:
        def weigh(loss: dict) -> dict:
            takes_it = loss["type"] == "WeightedCrossEntropy"
            return {**loss, "class_weight": class_weight} if takes_it else loss

        def complete(head: Any) -> dict:
            losses = head.get("loss_decode", {"type": "WeightedCrossEntropy"})
            several = isinstance(losses, (list, tuple))
            weighted = [weigh(loss) for loss in losses] if several else weigh(losses)
            return without_waiting({"num_classes": num_classes, **head, "loss_decode": weighted})

        if isinstance(auxiliary_head, (list, tuple)):
            auxiliary_head = [complete(head) for head in auxiliary_head]
        elif auxiliary_head is not None:
            auxiliary_head = complete(auxiliary_head)
        decode_head = complete(decode_head)
        if "in_channels" in decode_head and decode_head["in_channels"] is None:
            decode_head["in_channels"] = deepest_channels(backbone)
        super().__init__(
            backbone=backbone,
            decode_head=decode_head,
            auxiliary_head=auxiliary_head,
            train_cfg=ConfigDict(train_cfg or {}),
            test_cfg=ConfigDict(test_cfg or {"mode": "whole"}),
            **kwargs,
        )
        self.size_multiple = size_multiple

    def extract_feat(self, inputs: Tensor) -> Any:
        """Return the maps that the heads take, for images of any size."""
        if self.size_multiple == 1:
            return super().extract_feat(inputs)
        height, width = inputs.shape[2:]
        bottom, right = -height % self.size_multiple, -width % self.size_multiple
        maps = super().extract_feat(F.pad(inputs, (0, right, 0, bottom)))

        def crop(x: Tensor) -> Tensor:
            rows = (x.shape[2] * height + height + bottom - 1) // (height + bottom)
            columns = (x.shape[3] * width + width + right - 1) // (width + right)
            return x[:, :, :rows, :columns]

        return crop(maps) if isinstance(maps, Tensor) else type(maps)(crop(x) for x in maps)

    def loss(self, inputs: Tensor, data_samples: Sequence[Any]) -> dict[str, Tensor]:
        """Return the losses of the learning heads, by name; the shapes are those of ``EncoderDecoder``."""
        maps = self.extract_feat(inputs)
        losses: dict[str, Tensor] = {}
        if self.learning != "auxiliary":
            found = self.decode_head.loss(maps, data_samples, self.train_cfg)
            losses.update(add_prefix(found, "decode"))
        if self.learning != "decode" and self.with_auxiliary_head:
            several = isinstance(self.auxiliary_head, nn.ModuleList)
            heads = (
                {f"aux_{i}": head for i, head in enumerate(self.auxiliary_head)}
                if several
                else {"aux": self.auxiliary_head}
            )
            for name, head in heads.items():
                losses.update(add_prefix(head.loss(maps, data_samples, self.train_cfg), name))
        return losses

    def val_step(self, data: Any) -> list:
        """Predict a batch of validation or test; images of different sizes are predicted one by one."""
        images = data["inputs"] if isinstance(data, dict) else ()
        if len({tuple(image.shape) for image in images}) < 2:
            return super().val_step(data)
        single = ({key: values[i : i + 1] for key, values in data.items()} for i in range(len(images)))
        return [sample for part in single for sample in super(Segmentor, self).val_step(part)]

    test_step = val_step

    def logits(self, images: Tensor) -> Tensor:
        """Return the logits at input resolution, which are what is measured and deployed.

        Shapes: normalised images (N, 3, H, W) -> (N, num_classes, H, W).
        """
        return match_size(self.decode_head(self.extract_feat(images)), images, self.align_corners)
