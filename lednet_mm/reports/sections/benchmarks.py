"""Benchmarks of this project's own parts, which compare several ways of doing the same thing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from lednet_mm.records import Record
from lednet_mm.reports.runs import record_name
from lednet_mm.reports.sections.section import TableSection
from lednet_mm.reports.tables import Column

COLUMNS = (
    Column("benchmark", "benchmark", always=True),
    Column("way", "way", always=True),
    Column("ms_p50", "p50 (ms)", ".2f", source="_record"),
    Column("interval", "95 % interval (ms)", source="_record"),
    Column(
        "per_second",
        "per second",
        ".1f",
        show=lambda row: f"{row['per_second']:.1f} {row['unit']}",
        source="_record",
    ),
    Column("ratio", "times the first", ".2f", source="_record"),
    Column("unstable", "unstable", show=lambda row: "unstable" if row["unstable"] else ""),
    Column("device", "device"),
    Column("threads", "threads", ".0f", source="_record"),
)


class Benchmarks(TableSection):
    """The table of benchmarks: the newest record of each benchmark and device, with one row for each way."""

    name = "benchmarks"
    heading = "Benchmarks"
    order = 80
    caption = "benchmarks"

    def collect(self) -> pd.DataFrame:
        """Return the ways that :func:`~lednet_mm.timing.comparing.compare_ways` has timed."""
        newest: dict[tuple, Record] = {}
        for record in self.content.evidence.records:
            if record.kind == "benchmark" and "ways" in record.details:
                newest[record.run.variant, record.provenance.device, record.provenance.threads] = record
        rows = [row for record in newest.values() for row in _rows(record)]
        keys = [*(column.key for column in COLUMNS), "unit", "record", "_record"]
        return pd.DataFrame(rows, columns=keys)

    def columns(self) -> Sequence[Column]:
        """Return columns with the times, and with the speed relative to the first way."""
        return COLUMNS

    def notes(self) -> Iterable[str]:
        """Describe how the ways were timed."""
        yield "All ways of one benchmark are timed interleaved in one run and compared with the first."
        if self.frame["interval"].ne("").any():
            yield "The interval of the median comes from order statistics."


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
            "_record": [record_name(record)],
        }
