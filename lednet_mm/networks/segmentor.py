"""MMSegmentation's segmentor, extended so that a config states the dataset's classes and weights once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import torch
from mmengine.config import ConfigDict
from mmengine.structures import BaseDataElement
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from mmseg.utils import add_prefix
from torch import Tensor, nn
from torch.nn import functional as F

from lednet_mm.layers import match_size
from lednet_mm.networks.asynchronous import without_waiting
from lednet_mm.networks.losses import PixelLoss

PLAIN_LOSS = {"type": "WeightedCrossEntropy"}


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
    """``EncoderDecoder`` whose heads all learn the same classes with the same loss and class weights.

    MMSegmentation's heads, losses and sampler are replaced by versions that do not wait for the GPU
    (:mod:`lednet_mm.networks.asynchronous`).

    Args:
        num_classes: number of classes of every head that does not state its own (a head for edges does).
        class_weight: class weights of every loss of this project that takes them; None weighs all classes
            equally.
        loss: the loss, or the list of losses, of every head without a loss of its own. It also takes the
            place of each :class:`~lednet_mm.networks.losses.WeightedCrossEntropy` that a head names, with
            that one's ``loss_weight`` as a factor; losses of another kind belong to their network and stay.
        decode_head: as in ``EncoderDecoder``; without ``loss_decode`` it gets ``loss``. If ``in_channels`` is
            None, it becomes the number of channels of the backbone's deepest map.
        backbone: as in ``EncoderDecoder``.
        auxiliary_head: one head or a list of heads, in the same form.
        size_multiple: number of which the backbone needs the image's height and width to be multiples. Other
            images are padded with zeros at the bottom and right, and the maps are cropped accordingly.
        frozen: names of parts that do not learn, such as ``backbone``: their parameters get no gradients, and
            they stay in evaluation mode, with fixed statistics.
        evaluation_dilation: factor of all dilation rates above 1 in evaluation. LightNet's authors evaluate
            whole images with twice the rates of the training, in which images were scaled to about half.
        kwargs: further arguments of ``EncoderDecoder``.

    Raises:
        ValueError: there is no part of a name in ``frozen``; or rates are to be changed, and a dilated
            convolution changes the size of its map.

    Attributes:
        learning: heads whose loss is computed: ``all``, or the ``auxiliary`` or ``decode`` head alone in one
            stage of a training.
        distillation: function that gives further losses, by name, from the images, the backbone's maps and
            the decode head's logits; None for none. A training sets it, and nothing of it is saved.

    Shapes: images (N, 3, H, W) -> logits (N, num_classes, H, W) in ``predict``.
    """

    learning: Literal["all", "auxiliary", "decode"] = "all"
    distillation: Callable[[Tensor, Any, Any], dict[str, Tensor]] | None = None

    def __init__(
        self,
        *,
        num_classes: int,
        decode_head: dict,
        auxiliary_head: dict | Sequence[dict] | None = None,
        backbone: dict,
        class_weight: Sequence[float] | None = None,
        loss: dict | Sequence[dict] = PLAIN_LOSS,
        size_multiple: int = 1,
        frozen: Sequence[str] = (),
        evaluation_dilation: int = 1,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        **kwargs,
    ) -> None:
        chosen: list[Any] = list(loss) if isinstance(loss, (list, tuple)) else [loss]

        def replaced(named: dict) -> list[dict]:
            if named["type"] != PLAIN_LOSS["type"]:
                return [named]
            own = {key: value for key, value in named.items() if key not in ("type", "loss_weight")}
            factor = named.get("loss_weight", 1.0)
            return [{**own, **one, "loss_weight": factor * one.get("loss_weight", 1.0)} for one in chosen]

        def weigh(one: dict) -> dict:
            kind = MODELS.get(one["type"]) if isinstance(one["type"], str) else one["type"]
            takes_it = isinstance(kind, type) and issubclass(kind, PixelLoss) and kind.takes_class_weight
            return {"class_weight": class_weight, **one} if takes_it else one

        def complete(head: Any) -> dict:
            losses = head.get("loss_decode", PLAIN_LOSS)
            several = isinstance(losses, (list, tuple))
            named = losses if several else [losses]
            weighted = [weigh(one) for part in named for one in replaced(part)]
            several = several or len(weighted) > 1
            of_head = weighted if several else weighted[0]
            return without_waiting({"num_classes": num_classes, **head, "loss_decode": of_head})

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
        self.class_weight = None if class_weight is None else list(class_weight)
        self.frozen = tuple(frozen)
        for name in self.frozen:
            if not isinstance(part := getattr(self, name, None), nn.Module):
                raise ValueError(f"frozen: this network has no part {name!r}")
            part.requires_grad_(False)
        self.evaluation_dilation = evaluation_dilation
        self._dilated = list(_dilated_convolutions(self)) if evaluation_dilation != 1 else []

    def train(self, mode: bool = True) -> Segmentor:
        """Switch between training and evaluation, with the dilation rates of each.

        Frozen parts stay in evaluation mode.
        """
        super().train(mode)
        for name in self.frozen:
            getattr(self, name).eval()
        factor = 1 if mode else self.evaluation_dilation
        for convolution, rates, padding in self._dilated:
            convolution.dilation = tuple(rate * factor if rate > 1 else rate for rate in rates)
            convolution.padding = tuple(
                pad * factor if rate > 1 else pad for rate, pad in zip(rates, padding, strict=True)
            )
        return self

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
            if self.distillation is None:
                found = self.decode_head.loss(maps, data_samples, self.train_cfg)
            else:
                logits = self.decode_head.forward(maps)
                found = self.decode_head.loss_by_feat(logits, data_samples)
                losses.update(add_prefix(self.distillation(inputs, maps, logits), "distill"))
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

    def test_step(self, data: Any) -> list:
        """Predict a batch; images of different sizes are predicted one by one."""
        images = data["inputs"] if isinstance(data, dict) else ()
        if len({tuple(image.shape) for image in images}) < 2:
            return super().test_step(data)
        single = ({key: values[i : i + 1] for key, values in data.items()} for i in range(len(images)))
        return [sample for part in single for sample in super(Segmentor, self).test_step(part)]

    def val_step(self, data: Any) -> list:
        """Predict a batch of validation; where it has labels, the last element is its loss.

        MMEngine's validation takes such an element out again and logs the mean over the batches. The loss is
        the cross entropy with the model's class weights, at the size of the labels, whatever loss the network
        is trained with.
        """
        samples = self.test_step(data)
        losses = [loss for sample in samples if (loss := self._cross_entropy(sample)) is not None]
        if not losses:
            return samples
        return [*samples, BaseDataElement(loss={"val_loss": torch.stack(losses).mean()})]

    def _cross_entropy(self, sample: Any) -> Tensor | None:
        """Return the cross entropy of a predicted image; None without labels, or with a single output."""
        logits, label = sample.get("seg_logits"), sample.get("gt_sem_seg")
        if logits is None or label is None or len(logits.data) == 1:
            return None
        scores, ids = logits.data.float()[None], label.data.to(logits.data.device).long()
        weights = None if self.class_weight is None else scores.new_tensor(self.class_weight)
        total = F.cross_entropy(scores, ids, weights, ignore_index=255, reduction="sum")
        share = (ids != 255) if weights is None else F.pad(weights, (0, 1))[ids.clamp(max=len(weights))]
        return total / share.sum().clamp(min=1e-6)  # 0 without labelled pixels

    def logits(self, images: Tensor) -> Tensor:
        """Return the logits at input resolution, which are what is measured and deployed.

        Shapes: normalised images (N, 3, H, W) -> (N, num_classes, H, W).
        """
        return match_size(self.decode_head(self.extract_feat(images)), images, self.align_corners)


def _dilated_convolutions(model: nn.Module) -> Iterator[tuple[nn.Conv2d, tuple[int, ...], tuple[int, ...]]]:
    """Yield the dilated convolutions of a model with their rates and paddings.

    Raises:
        ValueError: the padding of one does not keep the size of the map, or is not of zeros.
    """
    for name, module in model.named_modules():
        if not isinstance(module, nn.Conv2d) or max(module.dilation) == 1:
            continue
        rates, kernel, padding = module.dilation, module.kernel_size, module.padding
        kept = tuple(rate * (size - 1) // 2 for rate, size in zip(rates, kernel, strict=True))
        if padding != kept or module.padding_mode != "zeros":
            raise ValueError(
                f"evaluation_dilation: {name} has a padding of {padding} ({module.padding_mode}), and only "
                f"with {kept} zeros can its dilation rate change"
            )
        yield module, rates, kept
