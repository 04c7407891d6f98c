"""Random scaling of images by one of a few factors, as DABNet's authors do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmseg.datasets.transforms import Resize
from mmseg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomScale(Resize):
    """Scale an image and its labels by a factor that is chosen at random.

    mmcv's ``RandomChoiceResize`` chooses among sizes, which are the same for images of any size; here the
    size follows from the image's own. Source: github.com/Reagan1311/DABNet, ``dataset/cityscapes.py``.

    Args:
        factors: factors of the height and width, each as probable as the others.
    """

    def __init__(self, factors: Sequence[float]) -> None:
        super().__init__(scale_factor=1.0)
        self.factors = tuple(factors)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Scale ``img`` bilinearly and every map of ``seg_fields`` by nearest neighbours."""
        self.scale_factor = self.factors[np.random.randint(len(self.factors))]
        return super().transform(results)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(factors={self.factors})"
