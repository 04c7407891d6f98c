"""MMSegmentation: the method of its loading transform that reads labels."""

from __future__ import annotations

from mmseg.datasets.transforms import LoadAnnotations


class LabelTransform(LoadAnnotations):
    """mmseg's ``LoadAnnotations`` with a documented name for the method that reads labels."""

    def read_labels(self, results: dict) -> None:
        """Read the labels of one image into ``results``."""
        super()._load_seg_map(results)

    def _load_seg_map(self, results: dict) -> None:
        self.read_labels(results)
