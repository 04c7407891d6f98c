"""Files that are not records, or that are damaged or altered, and are therefore not in any table."""

from __future__ import annotations

from collections.abc import Sequence

from lednet_mm.reports.parts import Part, Sources, list_part
from lednet_mm.reports.sections.section import Section


class LeftOut(Section):
    """The list of files that were left out. It is on the page only; the command prints them too."""

    name = "left-out"
    heading = "Files left out"
    order = 120

    def parts(self, sources: Sources) -> Sequence[Part]:
        """Return a list of the files with the reasons."""
        problems = self.content.evidence.problems
        return [list_part({sources.place(path): why for path, why in problems.items()})] if problems else []
