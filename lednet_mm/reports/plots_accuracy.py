"""Plots of accuracy: differences to the baseline, learning curves, classes, measured against published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lednet_mm.records import Record
from lednet_mm.reports.classes import class_names
from lednet_mm.reports.drawing import COLORS, DASHES, Plot, label, label_points, set_title, style
from lednet_mm.reports.plots import MARKER_SIZE, places
from lednet_mm.reports.runs import KEY, choose_runs
from lednet_mm.reports.summary import network_name
from lednet_mm.reports.tables import rows_of

ROWS = 40
"""As many rows are readable in one plot; the tables have all."""
CURVES = 12


def plot_forest(ablation: pd.DataFrame, title: str) -> list[Plot]:
    """Plot the differences to the baseline with their intervals, filled where seeds resolve them.

    Args:
        ablation: see :func:`lednet_mm.reports.ablation.compare_with_baselines`.
        title: of the report.
    """
    plots = []
    for ending, place, rows in places(ablation.dropna(subset=["difference_points"])):
        total = len(rows)
        order = rows["difference_points"].abs().sort_values(ascending=False).index[:ROWS]
        rows = rows.loc[order].sort_values("difference_points", ascending=False)
        figure = Figure(figsize=(7, 1.5 + 0.3 * len(rows)), layout="constrained")
        axes = figure.add_subplot()
        names = []
        count = Counter(map(network_name, rows_of(rows)))
        for i, row in enumerate(rows_of(rows)):
            color = {"better": COLORS[0], "worse": COLORS[1]}.get(row["verdict"].split()[0], "0.45")
            low = row["difference_points"] - row["low_points"]
            high = row["high_points"] - row["difference_points"]
            one_seed = row["seeds"] == 1
            bars = axes.errorbar(
                row["difference_points"],
                i,
                xerr=[[max(0, low)], [max(0, high)]],
                marker="o",
                color=color,
                markerfacecolor="white" if color == "0.45" or one_seed else color,
                markersize=6,
                capsize=3,
            )
            if one_seed:  # narrow, as it knows nothing of other seeds
                bars.lines[2][0].set_linestyle(":")
            seeds = f"{row['seeds']} seed{'s' if row['seeds'] != 1 else ''}"
            against = f", against {row['baseline']}" if count[network_name(row)] > 1 else ""
            names.append(f"{network_name(row)}{against} ({seeds})")
        axes.axvline(0, color="0.3", linewidth=0.8)
        axes.set_yticks(range(len(names)), list(map(label, names)), fontsize=8)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlabel("mIoU minus the baseline's (percent points), 95% interval")
        bases = ", ".join(sorted(set(rows["baseline"]))[:3])
        base = f"compared with {bases}" if rows["baseline"].nunique() <= 3 else "each with its own baseline"
        largest = f"; the largest {ROWS} of {total}" if total > ROWS else ""
        set_title(figure, f"{title}\n{place}; {base}{largest}")
        axes.grid(alpha=0.3, axis="x")
        note = "blue: better, orange: worse; grey: not resolved (the interval contains zero)"
        if (rows["seeds"] == 1).any():
            note += "; hollow and dotted: one seed, over images alone"
        figure.supxlabel(note, fontsize=7, color="0.35")
        plots.append(Plot(f"ablation{ending}", figure))
    return plots


def learning_curves(records: Iterable[Record]) -> pd.DataFrame:
    """Return the validation mIoU of every run by iteration.

    Where a run has several training records (it was resumed, or trained longer), their curves are merged by
    iteration, and the longest training counts, then the newest.

    Args:
        records: of any kinds, in any order.

    Returns:
        Columns: those of ``KEY``, ``iteration``, ``miou_percent``.
    """
    points: dict[tuple, float] = {}
    for key, trainings in choose_runs(records).trainings.items():
        for record in trainings:
            for iteration, miou in record.details.get("validation_curve_miou_percent", []):
                points[(*key, iteration)] = miou
    rows = [(*key, miou) for key, miou in points.items() if miou is not None]
    frame = pd.DataFrame(rows, columns=[*KEY, "iteration", "miou_percent"])
    frame["seed"] = frame["seed"].astype("Int64")
    return frame.sort_values([*KEY, "iteration"], na_position="first", ignore_index=True)


def plot_curves(curves: pd.DataFrame, title: str) -> list[Plot]:
    """Plot validation mIoU over iterations: the mean over seeds, and their range.

    Args:
        curves: of :func:`learning_curves`; a single point is no curve.
        title: of the report.
    """
    plots = []
    curves = curves.assign(split="val")
    for ending, place, rows in places(curves):
        means = rows.groupby(["network", "variant", "iteration"])["miou_percent"]
        table = means.agg(["mean", "min", "max", "size"]).reset_index()
        lines = [(key, part) for key, part in table.groupby(["network", "variant"]) if len(part) > 1]
        lines.sort(key=lambda line: -line[1]["mean"].iloc[-1])
        if not lines:
            continue
        figure = Figure(figsize=(7, 4.4), layout="constrained")
        axes = figure.add_subplot()
        for i, ((network, variant), part) in enumerate(lines[:CURVES]):
            look: dict[str, Any] = {
                "color": COLORS[i % len(COLORS)],
                "linestyle": DASHES[i // len(COLORS) % len(DASHES)],
            }
            name = network_name({"network": network, "variant": variant})
            axes.plot(part["iteration"], part["mean"], label=label(name), marker=".", linewidth=1.4, **look)
            if part["size"].max() > 1:
                axes.fill_between(
                    part["iteration"], part["min"], part["max"], alpha=0.15, color=look["color"], linewidth=0
                )
        axes.set_xlabel("iteration")
        axes.set_ylabel("mean IoU on val (%)")
        best = f"; the best {CURVES} of {len(lines)}" if len(lines) > CURVES else ""
        band = "\nline: mean over seeds; band: from lowest to highest" if table["size"].max() > 1 else ""
        set_title(figure, f"{title}\n{place}{best}{band}")
        axes.grid(alpha=0.3)
        figure.legend(loc="outside lower center", fontsize=8, frameon=False, ncols=3)
        plots.append(Plot(f"learning_curves{ending}", figure))
    return plots


def plot_classes(classes: pd.DataFrame, title: str) -> list[Plot]:
    """Plot the IoU of each class as a heat map.

    Args:
        classes: see :func:`lednet_mm.reports.classes.summarise_classes`.
        title: of the report.
    """
    plots = []
    for ending, place, rows in places(classes):
        names = [name for name in class_names(classes) if rows[name].notna().any()]
        if not names:
            continue
        total = len(rows)
        order = rows[names].mean(axis=1).sort_values(ascending=False).index[:ROWS]
        rows = rows.loc[order]
        values = rows[names].to_numpy(dtype=float)
        figure = Figure(
            figsize=(max(4.5, 2.6 + 0.45 * len(names)), 1.9 + 0.3 * len(rows)), layout="constrained"
        )
        axes = figure.add_subplot()
        image = axes.imshow(values, cmap="cividis", vmin=0, vmax=100, aspect="auto")
        for i, j in np.ndindex(*values.shape):
            if not np.isnan(values[i, j]):
                color = "white" if values[i, j] < 55 else "black"
                text = axes.text(j, i, f"{values[i, j]:.0f}", fontsize=7, color=color)
                text.set(ha="center", va="center", in_layout=False)  # the layout need not measure them
        axes.set_xticks(range(len(names)), list(map(label, names)), rotation=45, ha="right", fontsize=8)
        labels = [label(network_name(row)) for row in rows_of(rows)]
        axes.set_yticks(range(len(labels)), labels, fontsize=8)
        best = f"; the best {ROWS} of {total}" if total > ROWS else ""
        set_title(figure, f"{title}\nIoU by class (%): {place}{best}")
        figure.colorbar(image, ax=axes, label="IoU (%)", fraction=0.03, pad=0.02)
        plots.append(Plot(f"class_iou{ending}", figure))
    return plots


def plot_published(published: pd.DataFrame, title: str) -> list[Plot]:
    """Plot measured against published mIoU, where a network has both on one dataset and split.

    Args:
        published: the frame of :func:`lednet_mm.reports.published.published_table`.
        title: of the report.
    """
    both = published.dropna(subset=["miou_percent", "published_miou_percent"])
    if both.empty:
        return []
    rows = rows_of(both)
    x, y = both["published_miou_percent"].to_numpy(), both["miou_percent"].to_numpy()
    figure = Figure(figsize=(5.6, 5.2), layout="constrained")
    axes = figure.add_subplot()
    low, high = min(x.min(), y.min()) - 3, max(x.max(), y.max()) + 3
    axes.plot([low, high], [low, high], color="0.6", linewidth=1, linestyle="--")
    networks = {name: i for i, name in enumerate(sorted(set(both["network"])))}
    for px, py, row in zip(x, y, rows, strict=True):
        axes.plot(px, py, linestyle="none", markersize=MARKER_SIZE, **style(networks[row["network"]]))
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_aspect("equal")
    axes.set_xlabel("published mean IoU (%)")
    axes.set_ylabel("measured mean IoU (%)")
    set_title(figure, f"{title}\nmeasured against published")
    axes.grid(alpha=0.3)
    figure.supxlabel(
        "published numbers have their own recipes and input sizes; dashed: equal", fontsize=7, color="0.35"
    )
    sizes = [row["published_miou_at"] for row in rows]
    names = [
        f"{row['published_as']}, {row['dataset']} {row['split']}" + (f", {size}" if size else "")
        for row, size in zip(rows, sizes, strict=True)
    ]
    label_points(axes, x, y, names, MARKER_SIZE)
    return [Plot("published", figure)]
