"""MMSegmentation: how its loading transform reads labels, and what its preprocessing does to images."""

from __future__ import annotations

from typing import Any

from mmseg.datasets.transforms import LoadAnnotations
from torch import Tensor


class LabelTransform(LoadAnnotations):
    """mmseg's ``LoadAnnotations`` with a documented name for the method that reads labels."""

    def read_labels(self, results: dict) -> None:
        """Read the labels of one image into ``results``."""
        super()._load_seg_map(results)

    def _load_seg_map(self, results: dict) -> None:
        self.read_labels(results)


def normalisation(preprocessor: Any) -> tuple[bool, Tensor | float, Tensor | float]:
    """Return what mmseg's preprocessing does to the values of an image.

    Args:
        preprocessor: a ``SegDataPreProcessor``.

    Returns:
        Whether the channels are reversed, the mean that is then subtracted (C, 1, 1), and the standard
        deviations by which the result is divided; 0 and 1 if values are not normalised.
    """
    if not preprocessor._enable_normalize:
        return bool(preprocessor._channel_conversion), 0.0, 1.0
    return bool(preprocessor._channel_conversion), preprocessor.mean, preprocessor.std
