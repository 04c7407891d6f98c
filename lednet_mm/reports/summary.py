"""The summary: one row a network and variant, over its seeds."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from lednet_mm.reports.comparison import ACCURACIES, Comparison
from lednet_mm.reports.differences import Differences
from lednet_mm.reports.latencies import Condition, fastest_resolved, short_names
from lednet_mm.reports.published import published_beside
from lednet_mm.reports.tables import Column, Table, is_missing, rows_of
from lednet_mm.statistics import mean_interval, sample_std

GROUP = ["study", "dataset", "network", "variant", "split", "recipe"]
COST = ["params", "params_train", "macs", "macs_shape"]
CONDITIONS = 8
"""As many conditions have a column of their own; the table of latencies has all."""


def summarise_runs(comparison: Comparison) -> pd.DataFrame:
    """Summarise the runs over their seeds.

    Returns:
        One row for each distinct ``GROUP``: ``seeds`` (how many), of every accuracy mean and
        ``<name>_std``, of mIoU the 95% interval of the mean (``miou_low``, ``miou_high``), cost, for each
        condition i ``fps_<i>``, ``latency_ms_p99_<i>``, ``unstable_<i>`` and ``peak_memory_bytes_<i>``,
        published numbers (``published_...``), and the records of each in ``_...``.
    """
    timed: dict[tuple, dict[int, dict]] = {}
    for row in rows_of(comparison.latencies.frame):
        timed.setdefault((row["dataset"], row["network"], row["variant"]), {})[row["condition"]] = row
    groups: dict[tuple, list[dict[str, Any]]] = {}
    for row in rows_of(comparison.table):
        key = tuple(None if is_missing(row[name]) else row[name] for name in GROUP)
        groups.setdefault(key, []).append(row)
    rows = []
    for key, runs in groups.items():
        group: dict[str, Any] = dict(zip(GROUP, key, strict=True))
        group.update(_accuracies(runs))
        group.update({name: runs[0][name] for name in COST})
        group["_complexity"] = _names(run["complexity_record"] for run in runs[:1])
        for i, row in timed.get(key[1:4], {}).items():
            group.update({f"fps_{i}": row["fps_p50"], f"latency_ms_p99_{i}": row["latency_ms_p99"]})
            group.update({f"peak_memory_bytes_{i}": row["peak_memory_bytes"]})
            group.update({f"unstable_{i}": row["unstable"], f"_latency_{i}": [row["record"]]})
        group.update(published_beside(group))
        rows.append(group)
    columns = [*GROUP, "seeds", *(c for name in ACCURACIES for c in (name, f"{name}_std"))]
    columns += ["miou_low", "miou_high", *COST]
    for i in range(len(comparison.latencies.conditions)):
        columns += [f"{name}_{i}" for name in ("fps", "latency_ms_p99", "peak_memory_bytes", "unstable")]
        columns.append(f"_latency_{i}")
    columns += [f"published_{name}" for name in ("miou_percent", "miou_at", "fps", "where", "source")]
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
    """Return a network with its variant, as legends have it."""
    variant = str(row["variant"]).replace("_", " ")
    return row["network"] if variant == "baseline" else f"{row['network']}, {variant}"


def with_spread(value: float, std: float, form: str = ".2f") -> str:
    """Return a mean and its standard deviation; the mean alone where there is one seed."""
    return format(value, form) if is_missing(std) else f"{value:{form}} ± {std:{form}}"


def summary_table(
    frame: pd.DataFrame,
    comparison: Comparison,
    differences: Differences,
    title: str,
) -> Table:
    """Make the table for people.

    Args:
        frame: of :func:`summarise_runs`.
        comparison: what it was made from.
        differences: says whether the best mIoU differs from the next.
        title: of the report.
    """
    conditions = comparison.latencies.conditions[:CONDITIONS]
    speed = [
        Column(
            f"fps_{i}",
            f"FPS (p50){', ' * bool(name)}{name}",
            ".1f",
            show=_speed(i),
            source=f"_latency_{i}",
        )
        for i, name in enumerate(short_names(conditions))
    ]

    def spread(name: str) -> dict[str, Any]:
        return {"form": ".2f", "show": lambda row: with_spread(row[name], row[f"{name}_std"])}

    many = [name for name in ("study", "recipe") if frame[name].nunique(dropna=False) > 1]
    columns = (
        *(Column(name, name) for name in ("study",) if name in many),
        *(Column(name, name) for name in ("network", "variant", "dataset", "split")),
        Column("seeds", "seeds", ".0f"),
        Column("miou_percent", "mIoU (%)", **spread("miou_percent"), source="_accuracy"),
        Column("miou_low", "95% interval (%)", ".2f", show=_interval),
        Column(
            "category_iou_percent", "category IoU (%)", **spread("category_iou_percent"), source="_accuracy"
        ),
        Column("params", "parameters (M)", ".3f", 1e6, source="_complexity"),
        Column("macs", "MACs (G)", ".2f", 1e9, source="_complexity"),
        *speed,
        *(
            (
                Column("latency_ms_p99_0", "latency p99 (ms)", ".1f", source="_latency_0"),
                Column("peak_memory_bytes_0", "peak memory (MiB)", ".0f", 2**20, source="_latency_0"),
            )
            if conditions
            else ()
        ),
        Column("published_miou_percent", "published mIoU (%)", ".1f"),
        Column("published_miou_at", "published mIoU at"),
        Column("published_fps", "published FPS", ".1f"),
        Column("published_where", "published FPS on"),
        *(Column(name, name) for name in ("recipe",) if name in many),
    )
    best = _best(frame, comparison, differences, len(conditions))
    notes = [*_spread_notes(frame), *_condition_notes(conditions)]
    notes += [note for note in comparison.notes if not note.startswith("Speed")]
    if best:
        notes.append(
            "Bold: the best of its dataset, split and recipe, where the 95% interval of its difference to "
            "the next best leaves zero out (over images alone where there is one seed)."
        )
    if frame["published_source"].notna().any():
        notes.append("Published numbers have their own recipes and machines; sources: published.csv.")
    return Table("summary", title, columns, frame, tuple(notes), frozenset(best))


def _speed(condition: int) -> Callable[[Mapping[str, Any]], str]:
    """Return what writes a speed, and that it is unstable: its halves differ by more than 5%."""

    def show(row: Mapping[str, Any]) -> str:
        unstable = row[f"unstable_{condition}"] is True
        return f"{row[f'fps_{condition}']:.1f}{' (unstable)' if unstable else ''}"

    return show


def _interval(row: Mapping[str, Any]) -> str:
    return f"{row['miou_low']:.2f} to {row['miou_high']:.2f}"


def _spread_notes(frame: pd.DataFrame) -> Iterable[str]:
    if frame["seeds"].gt(1).any():
        yield (
            "± is the standard deviation over seeds, the interval that of their mean (Student's t); one seed "
            "has neither."
        )


def _condition_notes(conditions: Iterable[Condition]) -> Iterable[str]:
    conditions = list(conditions)
    for condition, name in zip(conditions, short_names(conditions), strict=True):
        yield f"Speed{f' ({name})' if name else ''}: {condition}."


def _best(
    frame: pd.DataFrame, comparison: Comparison, differences: Differences, conditions: int
) -> set[tuple[Hashable, str]]:
    best: set[tuple[Hashable, str]] = set()
    for _, rows in frame.groupby(["study", "dataset", "split", "recipe"], dropna=False):
        ranked = rows[rows["seeds"] > 0].sort_values("miou_percent", ascending=False)
        if len(ranked) > 1:
            first, second = ranked["_seeds"].iloc[0], ranked["_seeds"].iloc[1]
            if differences.between(first, second).verdict.startswith("better"):
                best.add((ranked.index[0], "miou_percent"))
    for _, rows in frame.groupby("dataset"):
        for name in ("params", "macs"):
            ordered = rows[name].dropna().sort_values()
            if len(ordered) > 1 and ordered.iloc[0] < ordered.iloc[1]:
                best.add((ordered.index[0], name))
    latencies = comparison.latencies.frame
    for (condition, dataset), rows in latencies.groupby(["condition", "dataset"]):
        if condition < conditions and (label := fastest_resolved(rows)) is not None:
            fastest = rows.loc[label]
            same = (frame["dataset"] == dataset) & (frame["network"] == fastest["network"])
            for row in frame.index[same & (frame["variant"] == fastest["variant"])]:
                best.add((row, f"fps_{condition}"))
    return best
