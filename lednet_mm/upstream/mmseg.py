"""MMSegmentation: the place in its loading transform where labels are read."""

from __future__ import annotations

from mmseg.datasets.transforms import LoadAnnotations


class LabelTransform(LoadAnnotations):
    """mmseg's ``LoadAnnotations``, whose labels are read by a method with a documented name."""

    def read_labels(self, results: dict) -> None:
        """Read the labels of one image into ``results``."""
        super()._load_seg_map(results)

    def _load_seg_map(self, results: dict) -> None:
        self.read_labels(results)
