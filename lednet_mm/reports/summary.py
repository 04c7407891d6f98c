"""The summary, which has one row for each network and variant, with means over its seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from lednet_mm.reports.joining import ACCURACIES
from lednet_mm.reports.latencies import LatencyCollection
from lednet_mm.reports.published import published_beside
from lednet_mm.reports.tables import is_missing, rows_of
from lednet_mm.statistics import mean_interval, sample_std
from lednet_mm.text import DEFAULT

SUMMARY_KEY = ["study", "dataset", "network", "variant", "split", "recipe"]
"""Columns that identify a row; runs that differ only in their seeds share one."""
COST = ["params", "params_train", "macs", "macs_shape"]


def summarise_runs(runs: pd.DataFrame, latencies: LatencyCollection) -> pd.DataFrame:
    """Summarise runs over their seeds.

    Args:
        runs: result of :func:`lednet_mm.reports.joining.join_runs`.
        latencies: latencies of every network under every condition.

    Returns:
        One row for each distinct ``SUMMARY_KEY``. Its further columns are ``seeds``, the number of seeds; the
        mean and the standard deviation (``<name>_std``) of every accuracy; the 95% interval of the mean mIoU
        (``miou_low`` and ``miou_high``); the cost; ``fps_<i>``, ``latency_ms_p99_<i>``, ``unstable_<i>`` and
        ``peak_memory_bytes_<i>`` for each condition i; published numbers (``published_...``) and their
        sources (``_published_..._source``); and the records of all these, in columns whose names begin with
        ``_``.
    """
    timed: dict[tuple, dict[int, dict]] = {}
    for row in rows_of(latencies.frame):
        timed.setdefault((row["dataset"], row["network"], row["variant"]), {})[row["condition"]] = row
    groups: dict[tuple, list[dict[str, Any]]] = {}
    for row in rows_of(runs):
        key = tuple(None if is_missing(row[name]) else row[name] for name in SUMMARY_KEY)
        groups.setdefault(key, []).append(row)
    rows = []
    for key, found in groups.items():
        group: dict[str, Any] = dict(zip(SUMMARY_KEY, key, strict=True))
        group.update(_accuracies(found))
        group.update({name: found[0][name] for name in COST})
        group["_complexity"] = _names(run["complexity_record"] for run in found[:1])
        for i, row in timed.get(key[1:4], {}).items():
            group.update({f"fps_{i}": row["fps_p50"], f"latency_ms_p99_{i}": row["latency_ms_p99"]})
            group.update({f"peak_memory_bytes_{i}": row["peak_memory_bytes"]})
            group.update({f"unstable_{i}": row["unstable"], f"_latency_{i}": [row["record"]]})
        group.update(published_beside(group))
        rows.append(group)
    columns = [*SUMMARY_KEY, "seeds", *(c for name in ACCURACIES for c in (name, f"{name}_std"))]
    columns += ["miou_low", "miou_high", *COST]
    for i in range(len(latencies.conditions)):
        columns += [f"{name}_{i}" for name in ("fps", "latency_ms_p99", "peak_memory_bytes", "unstable")]
        columns.append(f"_latency_{i}")
    columns += [f"published_{name}" for name in ("miou_percent", "miou_at", "fps", "where", "source")]
    columns += ["_published_miou_source", "_published_fps_source"]
    columns += ["_accuracy", "_train", "_complexity", "_seeds"]
    frame = pd.DataFrame(rows, columns=columns)
    for column in ("params", "params_train", "macs"):
        frame[column] = frame[column].astype("Int64")
    return frame


def _accuracies(runs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    tested = [run for run in runs if not is_missing(run["accuracy_record"])]
    found: dict[str, Any] = {"seeds": len(tested)}
    for name in ACCURACIES:
        values = np.array([run[name] for run in tested if not is_missing(run[name])], dtype=np.float64)
        found[name] = values.mean() if len(values) else None
        found[f"{name}_std"] = float(sample_std(values)) if len(values) else None
        if name == "miou_percent":
            found["miou_low"], found["miou_high"] = mean_interval(values)
    found["_accuracy"] = _names(run["accuracy_record"] for run in tested)
    found["_train"] = _names(run["train_record"] for run in runs)
    seeds = (None if is_missing(run["seed"]) else int(run["seed"]) for run in tested)
    found["_seeds"] = dict(zip(seeds, found["_accuracy"], strict=True))
    return found


def _names(names: Iterable[Any]) -> list[str]:
    return [name for name in names if not is_missing(name)]


def network_name(row: Mapping[str, Any]) -> str:
    """Return the name of a row's network and variant for a legend."""
    variant = str(row["variant"]).replace("_", " ")
    return row["network"] if row["variant"] == DEFAULT else f"{row['network']}, {variant}"


def with_spread(value: float, std: float, form: str = ".2f") -> str:
    """Write a mean and its standard deviation.

    Args:
        value: the mean.
        std: standard deviation; a missing one, as for a single seed, is not written.
        form: format specification of both numbers.
    """
    return format(value, form) if is_missing(std) else f"{value:{form}} ± {std:{form}}"
