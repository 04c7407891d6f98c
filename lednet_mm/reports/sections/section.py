"""What a section of a report is. To add one, write one subclass in one new file of this folder."""

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
    """Something drawn, which knows its files."""

    def files(self) -> dict[str, bytes]:
        """Return the content of its files by their names."""


class Section:
    """A part of a report: its files, its plots, and what the page shows under one heading.

    Attributes:
        name: its anchor on the page, and the stem of the names of a table's files.
        heading: the heading above it on the page.
        order: a number that gives its place: sections with smaller numbers come first.

    Args:
        content: the content that it is made from.
    """

    name: ClassVar[str]
    heading: ClassVar[str]
    order: ClassVar[int]

    def __init__(self, content: Content) -> None:
        self.content = content

    def files(self) -> dict[str, bytes]:
        """Return the content of its files by their names, less those of its plots."""
        return {}

    def plots(self) -> Sequence[Drawn]:
        """Draw what it has something for; called once."""
        return ()

    def parts(self, sources: Sources) -> Sequence[Part]:
        """Return what the page shows, see :mod:`lednet_mm.reports.parts`; without any it has no heading.

        Args:
            sources: turns the names of records into what the page knows them by.
        """
        return ()

    def remarks(self) -> Sequence[str]:
        """Return what could not be shown and why, one line each; called after all else."""
        return ()


class TableSection(Section, ABC):
    """A section with a table, which it writes as Markdown, CSV and LaTeX and shows on the page.

    Attributes:
        caption: what follows the report's title in the table's title; empty where nothing does.
        on_page: whether the page shows the table too.
    """

    caption: ClassVar[str] = ""
    on_page: ClassVar[bool] = True

    @abstractmethod
    def collect(self) -> pd.DataFrame:
        """Return all values, one row for each of the table's; without a row there is no table."""

    @abstractmethod
    def columns(self) -> Sequence[Column]:
        """Return the columns that people see, in order."""

    def notes(self) -> Iterable[str]:
        """Return what stands below the table, one line each."""
        return ()

    def best(self) -> Iterable[tuple[Hashable, str]]:
        """Return the cells in bold, as (row label, column key)."""
        return ()

    @cached_property
    def frame(self) -> pd.DataFrame:
        """What :meth:`collect` returns."""
        return self.collect()

    @cached_property
    def table(self) -> Table | None:
        """The table; None without a row."""
        if self.frame.empty:
            return None
        title = ": ".join(filter(None, (self.content.title, self.caption)))
        best = frozenset(self.best())
        return Table(self.name, title, tuple(self.columns()), self.frame, tuple(self.notes()), best)

    def markdown(self, table: Table) -> str:
        """Return the table's Markdown file."""
        return to_markdown(table)

    def files(self) -> dict[str, bytes]:
        """Return the table in three forms."""
        if self.table is None:
            return {}
        return {
            f"{self.name}.csv": to_csv(self.table).encode(),
            f"{self.name}.md": self.markdown(self.table).encode(),
            f"{self.name}.tex": to_latex(self.table).encode(),
        }

    def parts(self, sources: Sources) -> Sequence[Part]:
        """Return the table as the page takes it."""
        return [table_part(self.table, sources)] if self.on_page and self.table is not None else []
