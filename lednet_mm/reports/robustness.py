"""Accuracy on corrupted images: a table over seeds, and a plot by corruption."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lednet_mm.evaluation.corruptions import NAMES, Corruption, summarise_robustness
from lednet_mm.records import Record
from lednet_mm.reports.drawing import Plot, label, set_title
from lednet_mm.reports.measures import GROUP, by_weights, weights_of
from lednet_mm.reports.runs import choose_runs, record_name
from lednet_mm.reports.summary import network_name, with_spread
from lednet_mm.reports.tables import Column, Table, is_missing, rows_of
from lednet_mm.studies.statistics import sample_std
from lednet_mm.text import for_file_name


def collect_robustness(records: Sequence[Record]) -> pd.DataFrame:
    """Collect the accuracies on corrupted images, of the weights whose clean accuracy the report shows.

    Args:
        records: of any kinds, oldest first.

    Returns:
        One row for each ``GROUP`` and set of corruptions and severities (``corruptions``, in words):
        ``seeds``, means over seeds of ``miou_percent`` (clean), ``corrupted_percent`` and
        ``retention_percent`` with ``_<value>_std``, of each corruption, and the records in ``_records``.
    """
    corrupted = by_weights(record for record in records if record.kind == "corruption")
    groups: dict[tuple, list[dict[str, Any]]] = {}
    for splits in choose_runs(records).accuracies.values():
        for split, clean in splits.items():
            found = {
                Corruption(r.details["corruption"], r.details["severity"]): r
                for r in corrupted.get(weights_of(clean), [])
                if r.values["miou_percent"] is not None
            }
            if not found or clean.values["miou_percent"] is None:
                continue
            miou = {corruption: record.values["miou_percent"] for corruption, record in found.items()}
            summary = summarise_robustness(clean.values["miou_percent"], miou)
            run = clean.run
            key = (run.study, run.dataset, run.network, run.variant, split, _describe(sorted(found)))
            groups.setdefault(key, []).append(
                {
                    "miou_percent": clean.values["miou_percent"],
                    "corrupted_percent": summary.mean_miou,
                    "retention_percent": summary.retention,
                    **summary.by_corruption,
                    "_records": [record_name(r) for r in (clean, *found.values())],
                }
            )
    totals = ("miou_percent", "corrupted_percent", "retention_percent")
    rows = []
    for key, runs in sorted(groups.items(), key=lambda item: tuple(map(str, item[0]))):
        row: dict[str, Any] = {**dict(zip((*GROUP, "corruptions"), key, strict=True)), "seeds": len(runs)}
        for name in totals:
            row[name] = float(np.mean([run[name] for run in runs]))
            row[f"_{name}_std"] = float(sample_std(np.array([run[name] for run in runs])))
        row |= {name: float(np.mean([run[name] for run in runs])) for name in NAMES if name in runs[0]}
        rows.append({**row, "_records": [name for run in runs for name in run["_records"]]})
    spreads = [f"_{name}_std" for name in totals]
    return pd.DataFrame(rows, columns=[*GROUP, "corruptions", "seeds", *totals, *NAMES, *spreads, "_records"])


def _describe(found: Sequence[Corruption]) -> str:
    """Say in words which corruptions and severities were tested."""
    by_name: dict[str, list[int]] = {}
    for corruption in found:
        by_name.setdefault(corruption.name, []).append(corruption.severity)
    severities = {tuple(each) for each in by_name.values()}
    shown = ", ".join(map(str, severities.pop())) if len(severities) == 1 else "several"
    kinds = "all 15" if len(by_name) == len(NAMES) else str(len(by_name))
    return f"{kinds}, severity {shown}"


def robustness_table(frame: pd.DataFrame, title: str) -> Table:
    """Make the table for people.

    Args:
        frame: of :func:`collect_robustness`.
        title: of the report.
    """

    def spread(name: str) -> Any:
        return lambda row: with_spread(row[name], row[f"_{name}_std"])

    totals = {
        "miou_percent": "clean mIoU (%)",
        "corrupted_percent": "corrupted mIoU (%)",
        "retention_percent": "retention (%)",
    }
    columns = (
        *(Column(name, name) for name in ("study",) if frame["study"].nunique(dropna=False) > 1),
        *(Column(name, name) for name in ("network", "variant", "dataset", "split", "corruptions")),
        Column("seeds", "seeds", ".0f"),
        *(
            Column(name, header, ".2f", show=spread(name), source="_records")
            for name, header in totals.items()
        ),
        *(Column(name, f"{name.replace('_', ' ')} (%)", ".1f", source="_records") for name in NAMES),
    )
    notes = [
        "mIoU on images with the corruptions of Hendrycks and Dietterich (ICLR 2019), averaged over the "
        "severities of each, then over corruptions; retention is its share of the clean mIoU.",
    ]
    if frame["corruptions"].nunique() > 1:
        notes.append("Compare rows of the same corruptions and severities only.")
    return Table("robustness", f"{title}: corrupted images", columns, frame, tuple(notes))


def plot_robustness(frame: pd.DataFrame, title: str) -> list[Plot]:
    """Plot the mIoU with each corruption as a heat map, one for each dataset, split and set of corruptions.

    Args:
        frame: of :func:`collect_robustness`.
        title: of the report.
    """
    plots = []
    places = frame.groupby(["dataset", "split", "corruptions"], sort=True)
    for number, ((dataset, split, tested), rows) in enumerate(places, start=1):
        rows = rows.sort_values("corrupted_percent", ascending=False)
        names = ["miou_percent", *(name for name in NAMES if rows[name].notna().any())]
        values = rows[names].to_numpy(dtype=float)
        figure = Figure(figsize=(2.6 + 0.45 * len(names), 2.2 + 0.3 * len(rows)), layout="constrained")
        axes = figure.add_subplot()
        image = axes.imshow(values, cmap="cividis", vmin=0, vmax=100, aspect="auto")
        for i, j in np.ndindex(*values.shape):
            if not is_missing(values[i, j]):
                color = "white" if values[i, j] < 55 else "black"
                axes.text(j, i, f"{values[i, j]:.0f}", fontsize=7, color=color, ha="center", va="center")
        shown = ["clean", *(name.replace("_", " ") for name in names[1:])]
        axes.set_xticks(range(len(shown)), shown, rotation=45, ha="right", fontsize=8)
        labels = [label(network_name(row)) for row in rows_of(rows)]
        axes.set_yticks(range(len(labels)), labels, fontsize=8)
        set_title(figure, f"{title}\nmIoU (%) by corruption: {dataset}, {split}; {tested}")
        figure.colorbar(image, ax=axes, label="mIoU (%)", fraction=0.03, pad=0.02)
        stem = f"robustness_{dataset}_{split}_{number}" if len(places) > 1 else "robustness"
        plots.append(Plot(for_file_name(stem), figure))
    return plots
