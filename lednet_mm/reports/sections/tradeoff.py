"""Plots of accuracy against cost, in which each network is a point, with the Pareto front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lednet_mm.reports.classes import CLASS_KEY, class_names
from lednet_mm.reports.drawing import (
    MARKER_SIZE,
    MAX_LABELS,
    Looks,
    Plot,
    label_points,
    pareto_front,
    places,
    set_log,
    set_note,
    set_title,
)
from lednet_mm.reports.parts import Part, Sources, cell_number
from lednet_mm.reports.sections.results import Results
from lednet_mm.reports.sections.section import Section
from lednet_mm.reports.summary import network_name
from lednet_mm.reports.tables import Column, Table, is_missing, rows_of

FIRST_ACROSS = ("fps_0", "params", "macs")
"""The columns for the horizontal axis when the page opens; the first one that exists is taken."""
BETTER_LARGE = ("FPS", "mIoU", "category IoU", "published")
"""The beginnings of the headers of columns in which larger values are better."""
NO_AXES = ("seeds", "miou_low")


class Tradeoff(Section):
    """The plots of accuracy over speed and size; on the page, the user can choose the axes."""

    name = "tradeoff"
    heading = "Accuracy against cost"
    order = 20

    def plots(self) -> list[Plot]:
        """Plot mIoU over speed, parameters and multiply-adds."""
        content = self.content
        speed = str(content.latencies.main or "")
        return plot_tradeoffs(content.summary, content.title, speed, content.looks)

    def parts(self, sources: Sources) -> Sequence[Part]:
        """Return a scatter plot whose axes can be any number of the summary or the IoU of any class."""
        results = Results(self.content)
        table = Table(self.name, self.content.title, tuple(results.columns()), results.frame)
        columns = [c for c in table.shown() if c.numeric and c.key not in NO_AXES]
        means = self.content.class_means
        classes = class_names(means)
        by_class = {_key(row): [row[name] for name in classes] for row in rows_of(means)}
        axes = [{"label": c.header, "smaller": not c.header.startswith(BETTER_LARGE)} for c in columns] + [
            {"label": f"IoU of {name} (%)", "smaller": False} for name in classes
        ]
        points = [
            self._point(row, columns, by_class.get(_key(row), [None] * len(classes)), sources)
            for row in table.rows
            if row["seeds"]
        ]
        if not points or len(axes) < 2:
            return ()
        keys = [column.key for column in columns]
        across = next((keys.index(key) for key in FIRST_ACROSS if key in keys), 1)
        up = keys.index("miou_percent") if "miou_percent" in keys else 0
        return [{"kind": "scatter", "axes": axes, "points": points, "across": across, "up": up}]

    def _point(
        self, row: Mapping[str, Any], columns: Sequence[Column], by_class: Sequence[Any], sources: Sources
    ) -> dict[str, Any]:
        look = self.content.looks.of(row)
        accuracy = sources.numbers(row["_accuracy"])
        place = (str(row[key]) for key in ("study", "dataset", "split") if not is_missing(row[key]))
        known = [sources.numbers(row.get(c.source or "")) for c in columns]
        bars = [row.get(f"{c.key}_std") for c in columns]
        return {
            "name": network_name(row),
            "color": look.color,
            "marker": look.marker,
            "hollow": look.is_variant,
            "place": ", ".join(place),
            "recipe": None if is_missing(row["recipe"]) else row["recipe"],
            "seeds": int(row["seeds"]),
            "values": [
                *(cell_number(column, row) for column in columns),
                *(None if is_missing(iou) else float(f"{iou:.6g}") for iou in by_class),
            ],
            "bars": [None if is_missing(bar) else float(f"{bar:.6g}") for bar in bars],
            "sources": [*known, *([accuracy] * len(by_class))],
            "cites": [row[c.cites] if c.cites and not is_missing(row[c.cites]) else None for c in columns],
        }


def _key(row: Mapping[str, Any]) -> tuple:
    return tuple(None if is_missing(row[key]) else row[key] for key in CLASS_KEY)


def plot_tradeoffs(summary: pd.DataFrame, title: str, speed: str, looks: Looks) -> list[Plot]:
    """Plot mIoU over speed, parameters and multiply-adds, each with its Pareto front.

    Args:
        summary: result of :func:`lednet_mm.reports.summary.summarise_runs`.
        title: title of the report.
        speed: condition under which ``fps_0`` was measured, in words.
        looks: colours of the networks.
    """
    plots = []
    for ending, place, rows in places(summary[summary["miou_percent"].notna()]):
        shapes = sorted({s for s in rows["macs_shape"] if isinstance(s, str)})
        axes = (
            ("accuracy_over_speed", "fps_0", 1.0, "speed (frames per second, median)", f"{place}\n{speed}"),
            ("accuracy_over_parameters", "params", 1e6, "parameters (millions)", place),
            ("accuracy_over_macs", "macs", 1e9, f"multiply-adds (billions) at {', '.join(shapes)}", place),
        )
        for name, key, scale, axis, where in axes:
            if key in rows and rows[key].notna().sum() > 1:
                figure = _tradeoff(rows.dropna(subset=[key]), key, scale, axis, f"{title}\n{where}", looks)
                plots.append(Plot(name + ending, figure))
    return plots


def _tradeoff(rows: pd.DataFrame, key: str, scale: float, axis: str, title: str, looks: Looks) -> Figure:
    rows = rows.sort_values("miou_percent", ascending=False)
    x = rows[key].astype(float).to_numpy() / scale
    y, std = rows["miou_percent"].to_numpy(), rows["miou_percent_std"].astype(float).to_numpy()
    names = [network_name(row) for row in rows_of(rows)]
    front = pareto_front(x, y, smaller_x=key != "fps_0")

    figure = Figure(figsize=(7, 4.6), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(x[front], y[front], color="0.55", linewidth=1, linestyle="--", zorder=1)
    crowded = len(rows) > MAX_LABELS
    named = front if crowded else range(len(rows))
    if crowded:
        others = np.setdiff1d(np.arange(len(rows)), front)
        axes.plot(x[others], y[others], ".", color="0.6", zorder=1)
    for i in named:
        axes.errorbar(
            x[i],
            y[i],
            yerr=None if np.isnan(std[i]) else std[i],
            linestyle="none",
            markersize=MARKER_SIZE,
            capsize=2,
            linewidth=0.8,
            zorder=2,
            **looks.of(rows.iloc[i]).point(),
        )
    if len(x) > 1 and x.min() > 0 and x.max() / x.min() > 20:
        set_log(axes, "x")
    axes.margins(0.14)
    axes.set_xlabel(axis)
    axes.set_ylabel("mean IoU (%)")
    set_title(figure, title)
    axes.grid(alpha=0.3)
    notes = []
    if not np.isnan(std).all():
        notes.append("bars: standard deviation over seeds")
    if rows["recipe"].nunique() > 1:
        notes.append(f"{rows['recipe'].nunique()} recipes")
    if crowded:
        notes.append("named: the Pareto front")
    if len(front) > 1:
        notes.append("dashed: Pareto front")
    if any(looks.of(row).is_variant for row in rows_of(rows)):
        notes.append("hollow: a variant of the network of that colour")
    set_note(figure, notes)
    order = [*front, *np.setdiff1d(np.arange(len(x)), front)]
    shown = front if crowded else order
    label_points(axes, x[order], y[order], [names[i] for i in shown], MARKER_SIZE)
    return figure
