"""Benchmarks of this project's own parts: each way to do one thing, and how much faster than the first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from lednet_mm.records import Record
from lednet_mm.reports.runs import record_name
from lednet_mm.reports.tables import Column, Table

COLUMNS = (
    Column("benchmark", "benchmark"),
    Column("way", "way"),
    Column("ms_p50", "p50 (ms)", ".2f", source="record"),
    Column("interval", "95 % interval (ms)"),
    Column("per_second", "per second", ".1f", show=lambda row: f"{row['per_second']:.1f} {row['unit']}"),
    Column("ratio", "times the first", ".2f", source="record"),
    Column("unstable", "unstable", show=lambda row: "unstable" if row["unstable"] else ""),
    Column("device", "device"),
    Column("threads", "threads", ".0f"),
)


def benchmark_table(records: Iterable[Record], title: str) -> Table:
    """Make the table of the newest record of each benchmark and device, one row a way.

    Args:
        records: of any kinds, oldest first; those of :func:`~lednet_mm.timing.comparing.compare_ways` count.
        title: of the report.
    """
    newest: dict[tuple, Record] = {}
    for record in records:
        if record.kind == "benchmark" and "ways" in record.details:
            newest[record.run.variant, record.provenance.device, record.provenance.threads] = record
    rows = [row for record in newest.values() for row in _rows(record)]
    keys = [*(column.key for column in COLUMNS), "unit", "record"]
    notes = ("All ways of one benchmark are timed interleaved in one run and compared with the first.",)
    return Table("benchmarks", f"{title}: benchmarks", COLUMNS, pd.DataFrame(rows, columns=keys), notes)


def _rows(record: Record) -> Iterable[dict[str, Any]]:
    for way, key in record.details["ways"].items():
        of = {name: record.values[f"{key}_{name}"] for name in ("ms_p50", "ratio", "unstable")}
        low, high = (record.values.get(f"{key}_ms_p50_{end}") for end in ("low", "high"))
        yield {
            "benchmark": record.run.variant,
            "way": way,
            **of,
            "interval": "" if low is None or high is None else f"{low:.2f} to {high:.2f}",
            "per_second": 1000 * record.details["items"] / of["ms_p50"],
            "unit": record.details["unit"],
            "device": record.provenance.device,
            "threads": record.provenance.threads,
            "record": record_name(record),
        }
