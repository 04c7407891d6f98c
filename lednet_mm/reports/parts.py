"""The parts of the page: the few kinds that its script can draw, and the sources of their numbers.

A part is a mapping with its ``kind``. The script draws each kind without knowing any section by name:

========== ==========================================================================================
kind       what it shows
========== ==========================================================================================
table      a :class:`~lednet_mm.reports.tables.Table` that can be sorted and searched
scatter    points with many numbers each, two of which are chosen as axes
lines      lines, each with a band around it
pictures   rows of pictures with a legend
facts      terms, each with its meaning
list       paths of files, each with a remark
========== ==========================================================================================
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lednet_mm.records import Record
from lednet_mm.reports.reading import Evidence
from lednet_mm.reports.runs import record_name
from lednet_mm.reports.tables import Column, Table, is_missing

Part = dict[str, Any]


class Interned:
    """Strings by number, each stored once, as commands, devices and hashes repeat in thousands of records."""

    def __init__(self) -> None:
        self.strings: list[str] = []
        self._numbers: dict[str, int] = {}

    def __call__(self, text: Any) -> int | None:
        """Return the number of a string; None for an empty one."""
        if text is None:
            return None
        if text not in self._numbers:
            self._numbers[text] = len(self.strings)
            self.strings.append(text)
        return self._numbers[text]


class Sources:
    """The records from which a page's numbers come, each stored once.

    Args:
        evidence: the records and their paths.
        folder: folder of the page, to which the paths of records are relative.
    """

    def __init__(self, evidence: Evidence, folder: Path) -> None:
        self._evidence = evidence
        self._folder = folder
        self._records = {record_name(record): record for record in evidence.records}
        self._numbers: dict[str, int] = {}
        self._interned = Interned()
        self._rows: list[list[Any]] = []

    INTERNED = (
        *("folder", "run", "date", "commit", "device", "precision", "command", "versions", "config"),
        *("checkpoint", "data"),
    )
    """Fields of a row that hold numbers of strings."""
    FIELDS = (
        *("name", "folder", "run", "seed", "values", "date", "commit", "dirty", "device", "threads"),
        *("precision", "command", "versions", "config", "checkpoint", "data"),
    )

    def numbers(self, names: Any) -> list[int]:
        """Return the numbers of records by their names; empty if there is no list of names."""
        return [self._number(name) for name in names] if isinstance(names, (list, tuple)) else []

    def _number(self, name: str) -> int:
        if name not in self._numbers:
            self._numbers[name] = len(self._rows)
            self._rows.append(self._row(name, self._records[name]))
        return self._numbers[name]

    def place(self, path: Path) -> str:
        """Return a file's path relative to the page, which is the same on every machine with both files."""
        return Path(os.path.relpath(path, self._folder)).as_posix()

    def data(self) -> dict[str, Any]:
        """Return the records that have been used, in the page's form."""
        return {
            "fields": self.FIELDS,
            "interned": self.INTERNED,
            "rows": self._rows,
            "strings": self._interned.strings,
        }

    def _row(self, name: str, record: Record) -> list[Any]:
        keep, run, provenance = self._interned, record.run, record.provenance
        versions = ", ".join(f"{k} {v}" for k, v in sorted(provenance.versions.items()) if v)
        where = [run.network, run.variant, run.dataset, *filter(None, [run.study])]
        folder = self.place(self._evidence.paths[name].parent)
        return [
            *(name, keep(folder), keep(", ".join(where)), run.seed),
            {key: _short(value) for key, value in record.values.items() if isinstance(value, (int, float))},
            *(keep(provenance.date), keep(provenance.commit), provenance.dirty, keep(provenance.device)),
            *(provenance.threads, keep(provenance.precision), keep(provenance.command), keep(versions)),
            *(keep(record.config.sha256), keep(provenance.checkpoint_sha256)),
            keep(provenance.dataset_fingerprint),
        ]


def table_part(table: Table, sources: Sources) -> Part:
    """Return a table in the page's form.

    Returns:
        ``columns``, and for each row ``values`` for sorting, ``texts`` to show, ``sources`` and ``cites``
        (texts) by the numbers that columns name, ``extras`` by column, and the numbers of columns in bold.
    """
    columns = table.shown(page=True)
    kept = list(dict.fromkeys(c.source for c in columns if c.source and c.source in table.frame))
    cited = list(dict.fromkeys(c.cites for c in columns if c.cites and c.cites in table.frame))
    rows = []
    for label, row, texts in zip(table.frame.index, table.rows, table.row_texts(columns), strict=True):
        rows.append(
            {
                "values": [
                    cell_number(c, row) if c.numeric else text or None
                    for c, text in zip(columns, texts, strict=True)
                ],
                "texts": texts,
                "sources": [sources.numbers(row[key]) for key in kept],
                "cites": [None if is_missing(row[key]) else str(row[key]) for key in cited],
                "extras": {i: c.extra(row) for i, c in enumerate(columns) if c.extra},
                "best": [i for i, c in enumerate(columns) if (label, c.key) in table.best],
            }
        )
    pinned = next((c.key for c in columns if c.always), None)
    return {
        "kind": "table",
        "name": table.name,
        "notes": table.notes,
        "columns": [
            {
                "key": c.key,
                "header": c.header,
                "numeric": c.numeric,
                "look": c.look,
                "always": c.always,
                "pinned": c.key == pinned,
                "source": kept.index(c.source) if c.source in kept else None,
                "cite": cited.index(c.cites) if c.cites in cited else None,
            }
            for c in columns
        ],
        "rows": rows,
    }


def cell_number(column: Column, row: Mapping[str, Any]) -> float | None:
    """Return the number by which a cell is sorted or at which a point is drawn; None for an empty cell."""
    value = row[column.key]
    return None if is_missing(value) else _short(float(value / column.scale))


def _short(value: float) -> float:
    """Round to six digits, which is more than any table shows; integers and truth values are unchanged."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def facts_part(facts: Iterable[tuple[str, str]]) -> Part:
    """Return terms with their meanings, in the page's form."""
    return {"kind": "facts", "facts": [list(fact) for fact in facts]}


def list_part(entries: Mapping[str, str] | Sequence[tuple[str, str]]) -> Part:
    """Return paths with remarks, in the page's form."""
    return {"kind": "list", "entries": [list(entry) for entry in dict(entries).items()]}
