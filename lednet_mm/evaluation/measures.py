"""Measures that a test can compute beside the confusion matrices, each on request because it takes time.

A measure counts each image separately, and its scores follow from the sum of the counts. The record keeps the
counts of all images, so that differences between networks can have paired intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from lednet_mm.errors import InputError, suggest
from lednet_mm.evaluation.boundary import VOID, boundary_counts, boundary_scores
from lednet_mm.evaluation.calibration import calibration_counts, calibration_scores
from lednet_mm.evaluation.object_size import size_counts, size_scores


@dataclass(frozen=True)
class Answer:
    """A network's prediction of one image, and the truth.

    Attributes:
        prediction: (H, W) uint8 ids; ids from ``num_classes`` on are not classes of the dataset, ``VOID``
            marks pixels without a label.
        label: (H, W) uint8 ids, ``VOID`` where there is no label.
        confidence: (H, W) probability of the predicted class; None if it is unknown.
        num_classes: number of classes of the dataset.
    """

    prediction: np.ndarray
    label: np.ndarray
    confidence: np.ndarray | None
    num_classes: int

    @classmethod
    def of(
        cls,
        prediction: np.ndarray,
        label: np.ndarray,
        confidence: np.ndarray | None,
        num_classes: int,
        ignore_index: int,
    ) -> Answer:
        """Make an answer in which pixels without a label are ``VOID`` in the prediction too.

        Raises:
            ValueError: the dataset has more than 255 classes, so no id is left for these pixels.
        """
        if num_classes > VOID:
            raise ValueError(f"the dataset has {num_classes} classes; these measures take at most {VOID}")
        unlabelled = label == ignore_index
        known, answered = (np.where(unlabelled, VOID, ids).astype(np.uint8) for ids in (label, prediction))
        return cls(answered, known, confidence, num_classes)


@dataclass(frozen=True)
class Measure:
    """The functions of one measure.

    Attributes:
        count: function that returns the counts of one image.
        scores: function from the sum of the counts to scores in percent, by their names in a record.
        needs_confidence: whether ``count`` needs the probability of the predicted class.
    """

    count: Callable[[Answer], np.ndarray]
    scores: Callable[[np.ndarray], dict[str, float]]
    needs_confidence: bool = False


def _count_calibration(answer: Answer) -> np.ndarray:
    assert answer.confidence is not None
    labelled = answer.label != VOID
    hits = (answer.prediction == answer.label)[labelled]
    return calibration_counts(answer.confidence[labelled], hits)


MEASURES = {
    "calibration": Measure(_count_calibration, calibration_scores, needs_confidence=True),
    "boundary": Measure(
        lambda answer: boundary_counts(answer.prediction, answer.label, answer.num_classes), boundary_scores
    ),
    "object_size": Measure(
        lambda answer: size_counts(answer.prediction, answer.label, answer.num_classes), size_scores
    ),
}
"""Name of a measure -> the measure. A record keeps its counts as ``per_image_<name>``."""


def check_measures(names: Iterable[str]) -> tuple[str, ...]:
    """Return names of measures without duplicates.

    Raises:
        InputError: a measure does not exist.
    """
    for name in names:
        if name not in MEASURES:
            raise InputError(
                f"there is no measure {name!r}, but {', '.join(MEASURES)}{suggest(str(name), MEASURES)}"
            )
    return tuple(dict.fromkeys(names))
