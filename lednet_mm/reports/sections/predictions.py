"""Example predictions, which are made only if the user asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from lednet_mm.reports.parts import Part, Sources
from lednet_mm.reports.pictures import PictureSet
from lednet_mm.reports.sections.section import Section


class Predictions(Section):
    """Pictures of images, their labels, and the predictions of networks."""

    name = "predictions"
    heading = "Predictions"
    order = 60

    @cached_property
    def _predicted(self) -> tuple[list[PictureSet], list[str]]:
        if not self.content.pictures:
            return [], []
        from lednet_mm.reports.predictions import predict_pictures  # takes PyTorch and seconds

        return predict_pictures(self.content.evidence, self.content.chosen, self.content.pictures)

    def plots(self) -> Sequence[PictureSet]:
        """Return the pictures of each dataset, after predicting them."""
        return self._predicted[0]

    def parts(self, sources: Sources) -> Sequence[Part]:
        """Return one part for each dataset."""
        return [pictured.part() for pictured in self._predicted[0]]

    def remarks(self) -> Sequence[str]:
        """Return lines on the networks that could not be shown."""
        return self._predicted[1]
