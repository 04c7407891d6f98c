"""Latencies: the networks timed under each condition, and the differences that the samples resolve."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from lednet_mm.records import Record
from lednet_mm.reports.runs import record_name
from lednet_mm.statistics import median_interval
from lednet_mm.text import counted, fps_text
from lednet_mm.timing.backends import TIMED
from lednet_mm.timing.latency import paired_ratio

VALUES = (
    *("fps_p50", "latency_ms_p50", "latency_ms_p90", "latency_ms_p99", "unstable"),
    *("peak_memory_bytes", "energy_joule", "gflop_per_s", "roofline_fraction"),
)


@dataclass(frozen=True)
class Condition:
    """The condition of a latency measurement; only latencies of one condition share a column."""

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
            "threads": counted(self.threads, "thread") if self.threads else "",
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
    # The number of threads distinguishes measurements on CPUs; on a GPU it does not matter.
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
    """Return names of conditions that contain only their differences; a single one has an empty name."""
    words = [condition.words() for condition in conditions]
    differs = [key for key in words[0] if len({w[key] for w in words}) > 1] if words else []
    return [", ".join(w[key] for key in differs if w[key]) for w in words]


@dataclass(frozen=True)
class LatencyCollection:
    """All latencies of a report.

    Attributes:
        frame: one row for each network, variant, dataset and condition (its number in ``conditions``), with
            ``VALUES``, the 95% interval of the median (``median_low_ms``, ``median_high_ms``), and
            ``record``.
        conditions: all conditions. The one under which most networks were timed comes first; among equals,
            a network alone comes before what is timed with it, and plain eager before other engines.
        samples: record name -> milliseconds of each sample, if the record keeps them.
        rooflines: record name -> ``operations``, ``minimum_bytes`` and the device's ``ceilings``, if the
            record has them.
    """

    frame: pd.DataFrame
    conditions: tuple[Condition, ...]
    samples: dict[str, np.ndarray]
    rooflines: dict[str, dict[str, Any]]

    @property
    def main(self) -> Condition | None:
        """The first condition, whose latencies stand beside accuracies; None without latencies."""
        return next(iter(self.conditions), None)

    def alike(self) -> list[int]:
        """Return the indices of the conditions that differ from the first only in engine and precision."""
        same = [replace(c, engine="", precision="", deployed=False) for c in self.conditions]
        return [i for i, condition in enumerate(same) if condition == same[0]]


def collect_latencies(records: Iterable[Record]) -> LatencyCollection:
    """Collect the newest latency of each network under each condition.

    Args:
        records: records of any kind, oldest first.
    """
    newest: dict[tuple, Record] = {}
    for record in records:
        if record.kind == "latency":
            network = (record.run.dataset, record.run.network, record.run.variant)
            newest[(condition_of(record), network)] = record
    counts = Counter(condition for condition, _ in newest)
    conditions = sorted(counts, key=lambda c: (-counts[c], _is_special(c), str(c)))
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
    return LatencyCollection(frame, tuple(conditions), samples, rooflines)


def _is_special(condition: Condition) -> tuple[bool, ...]:
    """Return a key by which plain eager, timed from normalised images to logits, comes first."""
    more = condition.timed not in ("", TIMED["network"])
    return more, condition.engine != "eager", condition.deployed


def fastest_resolved(rows: pd.DataFrame) -> int | None:
    """Return the label of the fastest row if no other row could be as fast, else None.

    Args:
        rows: rows of one condition, as in :class:`LatencyCollection`; with an unstable row, the result is
            None.
    """
    known = rows.dropna(subset=["latency_ms_p50", "median_low_ms", "median_high_ms"])
    if len(known) < 2 or len(known) < len(rows) or known["unstable"].eq(True).any():
        return None
    ordered = known.sort_values("latency_ms_p50")
    resolved = ordered["median_high_ms"].iloc[0] < ordered["median_low_ms"].iloc[1:].min()
    return ordered.index[0] if resolved else None


def show_fps(row: Mapping[str, Any]) -> str:
    """Write a row's ``fps_p50``."""
    return fps_text(row["fps_p50"])


@dataclass(frozen=True)
class Speedup:
    """How many times as fast a row is as another one.

    Attributes:
        ratio: median of the ratios in the rounds of a run that timed both, or else the ratio of the medians.
        low: lower end of the ratio's 95% interval; None for a ratio of medians.
        high: upper end, likewise.
    """

    ratio: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        interval = "" if self.low is None else f" ({self.low:.2f} to {self.high:.2f})"
        return f"{self.ratio:.2f}{interval}"


def speedup(first: Record, other: Record) -> Speedup:
    """Return how many times as fast the row of a latency record is as a first one."""
    theirs, ours = (np.asarray(record.details.get("samples_ms", ())) for record in (first, other))
    # All rows of a run have one summary of the machine's state, which no other run repeats.
    machine = first.details.get("machine")
    same_run = machine is not None and machine == other.details.get("machine")
    if other is not first and same_run and len(ours) == len(theirs) > 0:
        return Speedup(*paired_ratio(theirs, ours))
    return Speedup(first.values["latency_ms_p50"] / other.values["latency_ms_p50"])
