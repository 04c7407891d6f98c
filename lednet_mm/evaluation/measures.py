"""What a test can measure beside the confusion matrices, each asked for by name because it costs time.

A measure counts each image by itself, and its scores follow from the sum over images. The counts of all
images are kept in the record, so that differences between networks can have paired intervals.
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
        prediction: (H, W) uint8 ids; those from ``num_classes`` on are no class of the dataset, ``VOID``
            where there is no label.
        label: (H, W) uint8 ids, ``VOID`` where there is no label.
        confidence: (H, W) the probability of the predicted class; None where it is not known.
        num_classes: of the dataset.
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
        """Take the pixels without a label out.

        Raises:
            ValueError: a dataset of more than 255 classes, which leave no id for them.
        """
        if num_classes > VOID:
            raise ValueError(f"{num_classes} classes; these measures take up to {VOID}")
        unlabelled = label == ignore_index
        known, answered = (np.where(unlabelled, VOID, ids).astype(np.uint8) for ids in (label, prediction))
        return cls(answered, known, confidence, num_classes)


@dataclass(frozen=True)
class Measure:
    """A measure.

    Attributes:
        count: counts of one image.
        scores: their sum over images -> scores in percent, by the name that a record's values have.
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
"""Name of a measure -> how it is made. A record keeps its counts as ``per_image_<name>``."""


def check_measures(names: Iterable[str]) -> tuple[str, ...]:
    """Return names of measures, each once.

    Raises:
        InputError: no such measure.
    """
    for name in names:
        if name not in MEASURES:
            raise InputError(
                f"no measure {name!r}; there are {', '.join(MEASURES)}{suggest(str(name), MEASURES)}"
            )
    return tuple(dict.fromkeys(names))
