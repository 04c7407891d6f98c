"""Tables for people and programs: a data frame that is written as Markdown, LaTeX (booktabs) and CSV."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import pandas as pd

from lednet_mm.text import for_csv, for_latex, for_markdown

Look = Literal["plain", "heat", "verdict", "interval", "log"]
"""How the page shows a cell.

``plain`` shows the text alone. ``heat`` colours the background, darker for percentages closer to 100.
``verdict`` shows the text in the colour of the verdict. ``interval`` draws an interval beside the text, for
which ``extra`` returns the middle, the low end, the high end, and whether it is dotted. ``log`` shows a
button that opens the lines of text that ``extra`` returns.
"""


@dataclass(frozen=True)
class Column:
    """A column as people see it.

    Attributes:
        key: the frame's column with the values, by which the page sorts.
        header: heading of the column, with the unit.
        form: format specification of the number (``.2f``); empty for words.
        scale: number by which a value is divided before it is shown.
        show: function that returns the cell's text from the row, if one formatted number is not enough.
        source: the frame's column with the names of the records from which the numbers come.
        cites: the frame's column with the source of a published number.
        look: how the page shows the cell, see :data:`Look`.
        extra: function that returns from the row what the page draws or opens beside the cell's text.
        always: whether the page shows the column even if all rows have the same value in it; the first such
            column stays visible when the table is scrolled sideways.
        page_only: whether the column is on the page only, and not in the files.
    """

    key: str
    header: str
    form: str = ""
    scale: float = 1.0
    show: Callable[[Mapping[str, Any]], str] | None = None
    source: str | None = None
    cites: str | None = None
    look: Look = "plain"
    extra: Callable[[Mapping[str, Any]], Any] | None = None
    always: bool = False
    page_only: bool = False

    @property
    def numeric(self) -> bool:
        """Whether the column has numbers, which are aligned to the right."""
        return bool(self.form)

    def text(self, row: Mapping[str, Any]) -> str:
        """Return the text of the cell in a row; empty if the value is missing."""
        value = row[self.key]
        if is_missing(value):
            return ""
        if self.show is not None:
            return self.show(row)
        return format(value / self.scale, self.form) if self.form else str(value)


@dataclass(frozen=True)
class Table:
    """A table with its title and notes.

    Attributes:
        name: stem of the names of its files.
        title: text above the table.
        columns: columns that people see, in order.
        frame: all values; columns whose names begin with ``_`` are not written to the CSV.
        notes: lines below the table.
        best: cells in bold, each as (label of the row, key of the column).
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    best: frozenset[tuple[Hashable, str]] = field(default_factory=frozenset)

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of the frame as mappings."""
        return rows_of(self.frame)

    @cached_property
    def texts(self) -> dict[Column, list[str]]:
        """The texts of all cells in each column that has a value in any row."""
        return {column: [column.text(row) for row in self.rows] for column in self.shown(page=True)}

    def row_texts(self, columns: Sequence[Column]) -> list[list[str]]:
        """Return the texts of each row.

        Args:
            columns: columns of the texts, among those that :meth:`shown` returns.
        """
        by_column = [self.texts[column] for column in columns]
        return [[texts[i] for texts in by_column] for i in range(len(self.frame))]

    def shown(self, *, page: bool = False) -> tuple[Column, ...]:
        """Return the columns that have a value in any row.

        Args:
            page: whether the columns that only the page shows are included.
        """
        filled = (c for c in self.columns if c.key in self.frame and self.frame[c.key].notna().any())
        return tuple(column for column in filled if page or not column.page_only)


def names(*keys: str) -> tuple[Column, ...]:
    """Return columns of words that identify a row, with the same headings as in the frame."""
    return tuple(Column(key, key, always=key in ("network", "variant")) for key in keys)


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a frame as mappings, which are faster to go through than the frame."""
    values = (frame[column].tolist() for column in frame)
    return [dict(zip(frame, row, strict=True)) for row in zip(*values, strict=True)]


def is_missing(value: Any) -> bool:
    """Return whether a cell's value is missing: None, NaN, pandas' NA, or an empty text."""
    return value is None or value is pd.NA or value == "" or (isinstance(value, float) and value != value)


def _cells(table: Table, bold: Callable[[str], str], escape: Callable[[str], str]) -> list[list[str]]:
    columns = table.shown()
    cells = []
    for label, texts in zip(table.frame.index, table.row_texts(columns), strict=True):
        escaped = map(escape, texts)
        cells.append(
            [
                bold(text) if text and (label, c.key) in table.best else text
                for c, text in zip(columns, escaped, strict=True)
            ]
        )
    return cells


def to_markdown(table: Table, level: int = 1) -> str:
    """Return the table as Markdown with its title and notes.

    Args:
        table: a table.
        level: level of the title's heading; 0 leaves the title out.
    """
    columns = table.shown()
    cells = _cells(table, "**{}**".format, for_markdown)
    headers = [for_markdown(c.header) for c in columns]
    widths = [max(3, *(len(row[i]) for row in [headers, *cells])) for i in range(len(columns))]
    rules = [
        "-" * (w - 1) + ":" if c.numeric else ":" + "-" * (w - 1)
        for c, w in zip(columns, widths, strict=True)
    ]

    def line(row: list[str]) -> str:
        padded = [
            text.rjust(w) if c.numeric else text.ljust(w)
            for text, c, w in zip(row, columns, widths, strict=True)
        ]
        return f"| {' | '.join(padded)} |"

    lines = [f"{'#' * level} {for_markdown(table.title)}", ""] if level else []
    lines += [line(headers), line(rules), *map(line, cells)]
    for note in table.notes:
        lines += ["", for_markdown(note)]
    return "\n".join(lines) + "\n"


def to_latex(table: Table) -> str:
    r"""Return the table as LaTeX; the document needs ``\usepackage{booktabs}``."""
    columns = table.shown()
    cells = _cells(table, r"\textbf{{{}}}".format, for_latex)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{for_latex(table.title)}}}",
        rf"\begin{{tabular}}{{{''.join('r' if c.numeric else 'l' for c in columns)}}}",
        r"\toprule",
        " & ".join(for_latex(c.header) for c in columns) + r" \\",
        r"\midrule",
        *(" & ".join(row) + r" \\" for row in cells),
        r"\bottomrule",
        r"\end{tabular}",
        *(rf"\par\footnotesize {for_latex(note)}" for note in table.notes),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def to_csv(table: Table) -> str:
    """Return all values of the table's frame as CSV, with four decimal places."""
    frame = table.frame[[c for c in table.frame if not str(c).startswith("_")]].copy()
    for column in frame.select_dtypes(exclude=["number", "bool"]):
        frame[column] = pd.Series([for_csv(value) for value in frame[column]], frame.index, dtype=object)
    header = [for_csv(str(column)) for column in frame]
    return frame.to_csv(index=False, header=header, lineterminator="\n", float_format="%.4f")
