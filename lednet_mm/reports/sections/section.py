"""Base classes for the sections of a report. A new section is a subclass in a new file of this folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Sequence
from functools import cached_property
from typing import ClassVar, Protocol

import pandas as pd

from lednet_mm.reports.content import Content
from lednet_mm.reports.parts import Part, Sources, table_part
from lednet_mm.reports.tables import Column, Table, to_csv, to_latex, to_markdown


class Drawn(Protocol):
    """A plot or a set of pictures, which can be written to files."""

    def files(self) -> dict[str, bytes]:
        """Return the content of each file, by the file's name."""


class Section:
    """A part of a report: files, plots, and what the page shows under one heading.

    Attributes:
        name: anchor of the section on the page, and stem of the names of a table's files.
        heading: heading above the section on the page.
        order: number that determines the place of the section; sections with smaller numbers come first.

    Args:
        content: content of the report, from which the section is made.
    """

    name: ClassVar[str]
    heading: ClassVar[str]
    order: ClassVar[int]

    def __init__(self, content: Content) -> None:
        self.content = content

    def files(self) -> dict[str, bytes]:
        """Return the content of each file except those of plots, by the file's name."""
        return {}

    def plots(self) -> Sequence[Drawn]:
        """Return the plots for which there are data."""
        return ()

    def draw(self) -> dict[str, bytes]:
        """Return the content of each file of the plots, by the file's name."""
        return {name: content for plot in self.plots() for name, content in plot.files().items()}

    def parts(self, sources: Sources) -> Sequence[Part]:
        """Return the parts that the page shows, see :mod:`lednet_mm.reports.parts`.

        If there are none, the page does not show the heading either.

        Args:
            sources: object that gives the number by which the page knows a record.
        """
        return ()

    def remarks(self) -> Sequence[str]:
        """Return a line for each thing that could not be shown, with the reason.

        This is called before the plots and the page are made. What it computes need not be computed again
        for them.
        """
        return ()


class TableSection(Section, ABC):
    """A section with a table, which is written as Markdown, CSV and LaTeX and shown on the page.

    Attributes:
        caption: text after the report's title in the title of the table; empty if there is none.
        on_page: whether the page shows the table too.
    """

    caption: ClassVar[str] = ""
    on_page: ClassVar[bool] = True

    @abstractmethod
    def collect(self) -> pd.DataFrame:
        """Return all values of the table, row by row. If there are no rows, there is no table."""

    @abstractmethod
    def columns(self) -> Sequence[Column]:
        """Return the columns that people see, in order."""

    def notes(self) -> Iterable[str]:
        """Return the lines below the table."""
        return ()

    def best(self) -> Iterable[tuple[Hashable, str]]:
        """Return the cells in bold, each as (label of the row, key of the column)."""
        return ()

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The result of :meth:`collect`."""
        return self.collect()

    @cached_property
    def table(self) -> Table | None:
        """The table; None if it has no rows."""
        if self.frame.empty:
            return None
        title = ": ".join(filter(None, (self.content.title, self.caption)))
        best = frozenset(self.best())
        return Table(self.name, title, tuple(self.columns()), self.frame, tuple(self.notes()), best)

    def markdown(self, table: Table) -> str:
        """Return the text of the table's Markdown file."""
        return to_markdown(table)

    def files(self) -> dict[str, bytes]:
        """Return the content of the table's three files."""
        if self.table is None:
            return {}
        return {
            f"{self.name}.csv": to_csv(self.table).encode(),
            f"{self.name}.md": self.markdown(self.table).encode(),
            f"{self.name}.tex": to_latex(self.table).encode(),
        }

    def parts(self, sources: Sources) -> Sequence[Part]:
        """Return the table in the form in which the page needs it."""
        return [table_part(self.table, sources)] if self.on_page and self.table is not None else []
