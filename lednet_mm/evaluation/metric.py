"""The metric of every config here: a confusion matrix for each image, and their sum."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS

from lednet_mm.errors import InputError
from lednet_mm.evaluation.confusion import confusion_matrix, pack, scores
from lednet_mm.evaluation.measures import MEASURES, Answer, check_measures
from lednet_mm.statistics import class_iou


@dataclass(frozen=True)
class Accuracy:
    r"""The accuracy of one split.

    Attributes:
        values: scores in percent, see :func:`lednet_mm.evaluation.confusion.scores`, and those of the
            measures.
        classes: names of the classes, in the order of the matrices.
        images: file names, in the order of ``per_image``; bytes that are not UTF-8 are shown as ``\xff``.
        per_image: (images, C, P) int64; rows are the truth, columns the prediction (P > C: see
            ``num_outputs`` below).
        measured: name of a measure -> its counts, (images, ...).
    """

    values: dict[str, float]
    classes: tuple[str, ...]
    images: tuple[str, ...]
    per_image: np.ndarray
    measured: Mapping[str, np.ndarray] = field(default_factory=dict)

    def details(self) -> dict:
        """Return the details of an accuracy record."""
        iou = 100 * class_iou(self.per_image.sum(0))
        return {
            "images": len(self.images),
            "class_iou_percent": dict(zip(self.classes, iou, strict=True)),
            "absent_classes": [n for n, value in zip(self.classes, iou, strict=True) if np.isnan(value)],
            "per_image_names": list(self.images),
            "per_image_confusion": pack(self.per_image),
            **{f"per_image_{name}": pack(counts) for name, counts in self.measured.items()},
        }


@METRICS.register_module()
class ConfusionMatrixMetric(BaseMetric):
    """Class IoU, category IoU where the dataset names categories, and accuracy.

    ``last`` holds the :class:`Accuracy` of the last evaluation, from which records are made.

    Args:
        ignore_index: label of pixels that do not count.
        num_outputs: number of outputs of a network with more outputs than classes (for example one for void).
            A labelled pixel in an extra output is a miss of its true class, and not a false alarm of any
            class.
        measures: further measures, keys of :data:`lednet_mm.evaluation.measures.MEASURES`.
        collect_device: mmengine's argument, ``cpu`` or ``gpu``.
        prefix: prefix of the names in the log.
    """

    def __init__(
        self,
        ignore_index: int = 255,
        num_outputs: int | None = None,
        measures: Sequence[str] = (),
        collect_device: str = "cpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.ignore_index = ignore_index
        self.num_outputs = num_outputs
        self.measures = check_measures(measures)
        self.last: Accuracy | None = None

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Count the pixels of a batch; predictions must have the size of their labels.

        Raises:
            InputError: the sizes differ, or an id is out of range.
        """
        num_classes = len(self.dataset_meta["classes"])
        for sample in data_samples:
            prediction = _whole(sample["pred_sem_seg"]["data"].squeeze(0).cpu().numpy())
            label = sample["gt_sem_seg"]["data"].squeeze(0).cpu().numpy()
            if prediction.shape != label.shape:
                raise InputError(
                    f"{sample['img_path']}: the prediction has {_size(prediction)} pixels and the label "
                    f"{_size(label)}: put LoadLabels after Resize in the pipeline of validation and test"
                )
            try:
                matrix = confusion_matrix(prediction, label, num_classes, self.ignore_index, self.num_outputs)
            except ValueError as error:
                raise InputError(
                    f"{sample['img_path']}: {error}: compare the model's num_classes with the dataset's "
                    f"{num_classes} (ConfusionMatrixMetric has num_outputs for outputs that are no classes)"
                ) from error
            counts = self._measure(sample, prediction, label, num_classes)
            # A record is UTF-8, but a file's name need not be.
            name = os.fsencode(Path(sample["img_path"]).name).decode(errors="backslashreplace")
            self.results.append((name, matrix, counts))

    def _measure(
        self, sample: Mapping, prediction: np.ndarray, label: np.ndarray, num_classes: int
    ) -> dict[str, np.ndarray]:
        """Return the counts of each measure that was asked for."""
        if not self.measures:
            return {}
        sure = any(MEASURES[name].needs_confidence for name in self.measures)
        confidence = _confidence(sample) if sure else None
        try:
            answer = Answer.of(prediction, label, confidence, num_classes, self.ignore_index)
            return {name: MEASURES[name].count(answer) for name in self.measures}
        except ValueError as error:
            raise InputError(f"{sample['img_path']}: {', '.join(self.measures)}: {error}") from error

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Return the scores in percent under MMSegmentation's names."""
        names, matrices, counts = zip(*results, strict=True)
        per_image = np.stack(matrices)
        values = scores(per_image.sum(0), self.dataset_meta.get("categories"))
        measured = {name: np.stack([image[name] for image in counts]) for name in self.measures}
        for name, images in measured.items():
            values.update(MEASURES[name].scores(images.sum(0)))
        self.last = Accuracy(values, tuple(self.dataset_meta["classes"]), names, per_image, measured)
        logged = {
            "mIoU": values["miou_percent"],
            "mAcc": values["mean_accuracy_percent"],
            "aAcc": values["pixel_accuracy_percent"],
        }
        if "category_iou_percent" in values:
            logged["category_mIoU"] = values["category_iou_percent"]
        return {name: round(value, 4) for name, value in logged.items()}


def _confidence(sample: Mapping) -> np.ndarray:
    """Return the probability of each pixel's predicted class, (H, W) float32.

    Raises:
        InputError: the network gives no logits.
    """
    if "seg_logits" not in sample:
        raise InputError("calibration needs logits, but this network gives class ids only")
    logits = sample["seg_logits"]["data"].float()
    if len(logits) == 1:  # MMSegmentation has already made it the probability of class 1
        chosen = sample["pred_sem_seg"]["data"].to(logits.device).reshape(logits.shape)
        return torch.where(chosen > 0, logits, 1 - logits)[0].cpu().numpy()
    # This is the softmax of the highest logit, without computing the softmax of the others.
    return (1 / (logits - logits.amax(0)).exp_().sum(0)).cpu().numpy()


def _whole(ids: np.ndarray) -> np.ndarray:
    """Return ids as integers, because MMSegmentation thresholds a single output to floating-point ids."""
    if ids.dtype.kind != "f" or not np.array_equal(ids, np.rint(ids)):
        return ids
    return ids.astype(np.int64)


def _size(ids: np.ndarray) -> str:
    return "x".join(str(side) for side in ids.shape[::-1])
