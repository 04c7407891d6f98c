"""Latencies: what was timed under which condition, and which differences the samples resolve."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd

from lednet_mm.records import Record
from lednet_mm.reports.runs import record_name
from lednet_mm.reports.tables import Column, Table
from lednet_mm.statistics import median_interval

VALUES = (
    *("fps_p50", "latency_ms_p50", "latency_ms_p90", "latency_ms_p99", "unstable"),
    *("peak_memory_bytes", "energy_joule", "gflop_per_s", "roofline_fraction"),
)


@dataclass(frozen=True)
class Condition:
    """Under what a latency was taken; only latencies of one condition stand in one column."""

    device: str
    threads: int | None
    shape: tuple[int, int]
    batch_size: int
    engine: str
    precision: str
    deployed: bool
    timed: str
    channels: int = 3

    def words(self) -> dict[str, str]:
        """Return each part in words."""
        height, width = self.shape
        return {
            "device": self.device,
            "threads": f"{self.threads} thread{'s' if self.threads != 1 else ''}" if self.threads else "",
            "engine": self.engine + (", batch normalisation folded" if self.deployed else ""),
            "precision": self.precision,
            "input": f"{self.batch_size}x{self.channels}x{height}x{width}",
            "timed": self.timed,
        }

    def __str__(self) -> str:
        return ", ".join(word for word in self.words().values() if word)


def condition_of(record: Record) -> Condition:
    """Return the condition of a latency record."""
    details, provenance = record.details, record.provenance
    # Threads tell CPU measurements apart; on a GPU they do not matter.
    threads = None if "cuda" in provenance.versions else provenance.threads
    return Condition(
        provenance.device,
        threads,
        tuple(details["shape"]),
        details.get("batch_size", 1),
        details.get("engine", "eager"),
        provenance.precision,
        bool(details.get("deployed", False)),
        details.get("timed", ""),
        details.get("channels", 3),
    )


def short_names(conditions: Sequence[Condition]) -> list[str]:
    """Return names of conditions that say only in what they differ; one condition alone needs none."""
    words = [condition.words() for condition in conditions]
    differs = [key for key in words[0] if len({w[key] for w in words}) > 1] if words else []
    return [", ".join(w[key] for key in differs if w[key]) for w in words]


@dataclass(frozen=True)
class Latencies:
    """All latencies.

    Attributes:
        frame: one row a network, variant, dataset and condition (its number in ``conditions``): ``VALUES``,
            the 95% interval of the median (``median_low_ms``, ``median_high_ms``), ``record``.
        conditions: that under which most networks were timed first, of equal ones plain eager.
        samples: record name -> milliseconds of each sample, where the record keeps them.
        rooflines: record name -> ``operations``, ``minimum_bytes`` and ``ceilings`` of the device, where the
            record has them.
    """

    frame: pd.DataFrame
    conditions: tuple[Condition, ...]
    samples: dict[str, np.ndarray]
    rooflines: dict[str, dict[str, Any]]

    def alike(self) -> list[int]:
        """Return the conditions that differ from the first in engine and precision alone."""
        same = [replace(c, engine="", precision="", deployed=False) for c in self.conditions]
        return [i for i, condition in enumerate(same) if condition == same[0]]


def collect_latencies(records: Iterable[Record]) -> Latencies:
    """Collect the newest latency of each network under each condition.

    Args:
        records: of any kinds, oldest first.
    """
    newest: dict[tuple, Record] = {}
    for record in records:
        if record.kind == "latency":
            network = (record.run.dataset, record.run.network, record.run.variant)
            newest[(condition_of(record), network)] = record
    counts = Counter(condition for condition, _ in newest)
    conditions = sorted(counts, key=lambda c: (-counts[c], c.engine != "eager", c.deployed, str(c)))
    number = {condition: i for i, condition in enumerate(conditions)}
    rows, samples, rooflines = [], {}, {}
    for (condition, (dataset, network, variant)), record in newest.items():
        name = record_name(record)
        low = high = float("nan")
        if "samples_ms" in record.details:
            samples[name] = np.asarray(record.details["samples_ms"], dtype=np.float64)
            low, high = median_interval(samples[name])
        if "roofline" in record.details:
            rooflines[name] = record.details["roofline"]
        row = {"dataset": dataset, "network": network, "variant": variant, "condition": number[condition]}
        values = {key: record.values.get(key) for key in VALUES}
        rows.append({**row, **values, "median_low_ms": low, "median_high_ms": high, "record": name})
    keys = ["condition", "dataset", "network", "variant"]
    columns = [*keys, *VALUES, "median_low_ms", "median_high_ms", "record"]
    frame = pd.DataFrame(rows, columns=columns).sort_values(keys, ignore_index=True)
    for column in (*VALUES, "median_low_ms", "median_high_ms"):
        if column != "unstable":
            frame[column] = frame[column].astype("float64")
    return Latencies(frame, tuple(conditions), samples, rooflines)


def fastest_resolved(rows: pd.DataFrame) -> int | None:
    """Return the label of the fastest row if no other could be as fast, else None.

    Args:
        rows: of one condition, as in :class:`Latencies`; an unstable row decides nothing.
    """
    known = rows.dropna(subset=["latency_ms_p50", "median_low_ms", "median_high_ms"])
    if len(known) < 2 or len(known) < len(rows) or known["unstable"].eq(True).any():
        return None
    ordered = known.sort_values("latency_ms_p50")
    resolved = ordered["median_high_ms"].iloc[0] < ordered["median_low_ms"].iloc[1:].min()
    return ordered.index[0] if resolved else None


def latency_table(latencies: Latencies, title: str) -> Table:
    """Make the table of all latencies, one row a network and condition."""
    frame = latencies.frame.copy()
    conditions = [latencies.conditions[i] for i in frame["condition"]]
    for part in fields(Condition):
        frame[part.name] = [getattr(condition, part.name) for condition in conditions]
    frame["shape"] = [f"{height}x{width}" for height, width in frame["shape"]]
    if frame["channels"].eq(3).all():  # as nearly always: a column that says nothing
        del frame["channels"]
    frame["threads"] = frame["threads"].astype("Int64")
    frame["condition"] += 1
    frame["unstable"] = frame["unstable"].eq(True)
    frame["_deployed"] = frame["deployed"].map({True: "yes"})
    frame["_unstable"] = frame["unstable"].map({True: "unstable"})
    frame["_record"] = [[name] for name in frame["record"]]
    columns = (
        Column("network", "network"),
        Column("variant", "variant"),
        Column("dataset", "dataset"),
        *(
            Column(key, key.replace("_", " "))
            for key in ("device", "threads", "engine", "precision", "shape", "channels", "batch_size")
        ),
        Column("_deployed", "BN folded"),
        Column("fps_p50", "FPS (p50)", ".1f", source="_record"),
        Column("latency_ms_p50", "latency p50 (ms)", ".2f", source="_record"),
        Column("latency_ms_p90", "latency p90 (ms)", ".2f", source="_record"),
        Column("latency_ms_p99", "latency p99 (ms)", ".2f", source="_record"),
        Column("peak_memory_bytes", "peak memory (MiB)", ".0f", 2**20, source="_record"),
        Column("energy_joule", "energy (J an image)", ".3f", source="_record"),
        Column("gflop_per_s", "reached (GFLOP/s)", ".1f", source="_record"),
        Column("roofline_fraction", "of the roofline (%)", ".1f", 0.01, source="_record"),
        Column("_unstable", "unstable"),
    )
    best = set()
    for _, rows in frame.groupby(["condition", "dataset"]):
        if (label := fastest_resolved(rows)) is not None:
            best |= {(label, "fps_p50"), (label, "latency_ms_p50")}
    timed = sorted({c.timed for c in latencies.conditions if c.timed})
    notes = [f"Timed: {'; '.join(timed)}."] if timed else []
    if best:
        notes.append("Bold: the fastest of its condition, where the 95% intervals of the medians tell.")
    return Table("latency", f"{title}: latency", columns, frame, tuple(notes), frozenset(best))
