"""Files that are no records, damaged or altered, and so are in no table."""

from __future__ import annotations

from collections.abc import Sequence

from lednet_mm.reports.parts import Part, Sources, list_part
from lednet_mm.reports.sections.section import Section


class LeftOut(Section):
    """The files that were left out, on the page alone: the command names them too."""

    name = "left-out"
    heading = "Files left out"
    order = 120

    def parts(self, sources: Sources) -> Sequence[Part]:
        """Return the files with the reasons."""
        problems = self.content.evidence.problems
        return [list_part({sources.place(path): why for path, why in problems.items()})] if problems else []
