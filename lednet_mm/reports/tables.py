"""A table for people and programs: one frame, written as Markdown, LaTeX (booktabs) and CSV."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import pandas as pd

from lednet_mm.text import for_csv, for_latex, for_markdown

Look = Literal["plain", "heat", "verdict", "interval", "log"]
"""How the page shows a cell: as it is; on a ground that is the darker the nearer a percentage is to 100; a
verdict in its colour; with an interval drawn beside it (``extra``: middle, low, high, whether it is dotted);
or as a button that opens lines of text (``extra``)."""


@dataclass(frozen=True)
class Column:
    """A column as people see it.

    Attributes:
        key: the frame's column that the page sorts by.
        header: the column's heading, with the unit.
        form: format specification of a number (``.2f``); empty for words.
        scale: divisor of a number before it is shown.
        show: returns the cell's text from the row, where one number is not enough.
        source: the frame's column with the names of the records that the numbers come from.
        cites: the frame's column with the text that says where a published number was published.
        look: how the page shows the cell, see :data:`Look`.
        extra: returns what the page draws or opens beside the cell's text, from the row.
        always: whether the page shows the column although all rows have the same in it; the first such
            column stays in sight when the table is moved sideways.
        page_only: whether files have no such column.
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
        """Whether it holds numbers, which are aligned at the right."""
        return bool(self.form)

    def text(self, row: Mapping[str, Any]) -> str:
        """Return the cell's text; empty where there is nothing."""
        value = row[self.key]
        if is_missing(value):
            return ""
        if self.show is not None:
            return self.show(row)
        return format(value / self.scale, self.form) if self.form else str(value)


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: stem of its files' names.
        title: the text above it.
        columns: the columns that people see, in order.
        frame: all values; columns whose name begins with ``_`` stay out of the CSV.
        notes: the lines below it.
        best: cells in bold, as (row label, column key).
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    best: frozenset[tuple[Hashable, str]] = field(default_factory=frozenset)

    def rows(self) -> list[dict[str, Any]]:
        """Return the frame's rows."""
        return rows_of(self.frame)

    def shown(self, *, page: bool = False) -> tuple[Column, ...]:
        """Return the columns in which any row has something; those of the page alone where that is asked."""
        filled = (c for c in self.columns if c.key in self.frame and self.frame[c.key].notna().any())
        return tuple(column for column in filled if page or not column.page_only)


def names(*keys: str) -> tuple[Column, ...]:
    """Return columns of words that say what a row is of, called as they are in the frame."""
    return tuple(Column(key, key, always=key in ("network", "variant")) for key in keys)


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a frame's rows as mappings, quicker to go through than the frame."""
    return cast(list[dict[str, Any]], frame.to_dict("records"))


def is_missing(value: Any) -> bool:
    """Say whether a cell is empty: None, NaN, pandas' NA, or no text."""
    return value is None or value is pd.NA or value == "" or (isinstance(value, float) and value != value)


def _cells(table: Table, bold: Callable[[str], str], escape: Callable[[str], str]) -> list[list[str]]:
    columns = table.shown()
    cells = []
    for label, row in zip(table.frame.index, table.rows(), strict=True):
        texts = [escape(c.text(row)) for c in columns]
        cells.append(
            [
                bold(text) if text and (label, c.key) in table.best else text
                for c, text in zip(columns, texts, strict=True)
            ]
        )
    return cells


def to_markdown(table: Table, level: int = 1) -> str:
    """Write the table as Markdown with its title and notes.

    Args:
        table: the table to write.
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
    r"""Write the table for LaTeX; the document needs ``\usepackage{booktabs}``."""
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
    """Write all values of the table's frame, numbers to four places."""
    frame = table.frame[[c for c in table.frame if not str(c).startswith("_")]].copy()
    for column in frame.select_dtypes(exclude=["number", "bool"]):
        frame[column] = pd.Series([for_csv(value) for value in frame[column]], frame.index, dtype=object)
    header = [for_csv(str(column)) for column in frame]
    return frame.to_csv(index=False, header=header, lineterminator="\n", float_format="%.4f")
