"""Plots of accuracy against cost, and of latencies, each from a frame that a table shows too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lednet_mm.reports.drawing import Plot, label, label_points, pareto_front, set_log, set_title, style
from lednet_mm.reports.latencies import Latencies, short_names
from lednet_mm.reports.summary import network_name
from lednet_mm.reports.tables import is_missing, rows_of
from lednet_mm.text import for_file_name

PLACE = ["study", "dataset", "split"]
MARKER_SIZE = 7
LABELS = 60
"""More points than these and only those of the front are named."""
DISTRIBUTIONS = 30


def places(frame: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Split a frame into what may stand in one plot: one study, dataset and split.

    Yields:
        Ending of the file name, words for the title, and rows, one for each; no ending where there is
        one.
    """
    found = list(frame.groupby(PLACE, dropna=False, sort=True))
    for key, rows in found:
        words = [str(word) for word in key if isinstance(word, str)]
        ending = "" if len(found) == 1 else "_" + for_file_name("_".join(words))
        yield ending, ", ".join(words), rows


def plot_tradeoffs(summary: pd.DataFrame, title: str, speed: str) -> list[Plot]:
    """Plot mIoU over speed, parameters and multiply-adds, each with its Pareto front.

    Args:
        summary: see :func:`lednet_mm.reports.summary.summarise_runs`.
        title: of the report.
        speed: the condition of ``fps_0``, in words.
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
                figure = _tradeoff(rows.dropna(subset=[key]), key, scale, axis, f"{title}\n{where}")
                plots.append(Plot(name + ending, figure))
    return plots


def _tradeoff(rows: pd.DataFrame, key: str, scale: float, axis: str, title: str) -> Figure:
    rows = rows.sort_values("miou_percent", ascending=False)
    x = rows[key].astype(float).to_numpy() / scale
    y, std = rows["miou_percent"].to_numpy(), rows["miou_percent_std"].astype(float).to_numpy()
    names = [network_name(row) for row in rows_of(rows)]
    networks = {network: i for i, network in enumerate(sorted(set(rows["network"])))}
    front = pareto_front(x, y, smaller_x=key != "fps_0")

    figure = Figure(figsize=(7, 4.6), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(x[front], y[front], color="0.55", linewidth=1, linestyle="--", zorder=1)
    crowded = len(rows) > LABELS
    named = front if crowded else range(len(rows))
    if crowded:
        others = np.setdiff1d(np.arange(len(rows)), front)
        axes.plot(x[others], y[others], ".", color="0.6", zorder=1)
    for i in named:
        look = style(networks[rows["network"].iloc[i]])
        axes.errorbar(
            x[i],
            y[i],
            yerr=None if np.isnan(std[i]) else std[i],
            linestyle="none",
            markersize=MARKER_SIZE,
            capsize=2,
            linewidth=0.8,
            # Hollow: a variant of the network of that colour.
            markerfacecolor=look["color"] if rows["variant"].iloc[i] == "baseline" else "white",
            zorder=2,
            **look,
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
    figure.supxlabel("; ".join(notes), fontsize=7, color="0.35")
    order = [*front, *np.setdiff1d(np.arange(len(x)), front)]
    shown = front if crowded else order
    label_points(axes, x[order], y[order], [names[i] for i in shown], MARKER_SIZE)
    return figure


def plot_latencies(latencies: Latencies, title: str) -> list[Plot]:
    """Plot the distribution of the samples of every network and engine on one device, for one input."""
    alike = latencies.alike()
    frame = latencies.frame[latencies.frame["condition"].isin(alike)]
    rows = [row for row in rows_of(frame) if row["record"] in latencies.samples]
    rows.sort(key=lambda row: row["latency_ms_p50"])
    if not rows:
        return []
    shown = rows[:DISTRIBUTIONS]
    samples = [latencies.samples[row["record"]] for row in shown]
    conditions = [latencies.conditions[i] for i in alike]
    engines = dict(zip(alike, short_names(conditions), strict=True))
    datasets = {row["dataset"] for row in shown}
    one_network = len({network_name(row) for row in shown}) == 1 and len(alike) > 1
    names = []
    for row in shown:
        parts = [row["dataset"] if len(datasets) > 1 else "", engines[row["condition"]]]
        told_apart = ", ".join(filter(None, parts))
        whole = f"{network_name(row)} ({told_apart})" if told_apart else network_name(row)
        names.append(told_apart if one_network else whole)
    figure = Figure(figsize=(7, 1.4 + 0.32 * len(shown)), layout="constrained")
    axes = figure.add_subplot()
    _boxes(axes, samples)
    for i, row in enumerate(shown, start=1):
        axes.plot(row["latency_ms_p99"], i, marker="|", color="#D55E00", markersize=10, zorder=3)
    axes.set_yticks(range(1, len(names) + 1), list(map(label, names)), fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("latency (ms)")
    if max(s.max() for s in samples) > 20 * min(s.min() for s in samples):
        set_log(axes, "x")
    fastest = f", the fastest {DISTRIBUTIONS} of {len(rows)}" if len(rows) > DISTRIBUTIONS else ""
    words = [condition.words() for condition in conditions]
    common = [word for key, word in words[0].items() if all(other[key] == word for other in words)]
    of = f" of {network_name(shown[0])}" if one_network else ""
    set_title(figure, f"{title}: latency{of}{fastest}\n{', '.join(filter(None, common))}")
    axes.grid(alpha=0.3, axis="x")
    figure.supxlabel(
        "box: quartiles; line: median; whiskers: p1 to p99; orange: p99 of the record",
        fontsize=7,
        color="0.35",
    )
    return [Plot("latency", figure)]


def plot_rooflines(latencies: Latencies, title: str) -> list[Plot]:
    """Plot what every network reached against what its device can do, one plot a device and precision.

    Operations over bytes moved at least once, against operations a second; over the lines nothing goes.
    """
    groups: dict[tuple[str, str], list[dict]] = {}
    for row in rows_of(latencies.frame):
        if row["record"] in latencies.rooflines and not is_missing(row["gflop_per_s"]):
            condition = latencies.conditions[row["condition"]]
            groups.setdefault((condition.device, condition.precision), []).append(row)
    plots = []
    for number, ((device, precision), rows) in enumerate(sorted(groups.items()), start=1):
        found = [latencies.rooflines[row["record"]] for row in rows]
        x = np.array([work["operations"] / work["minimum_bytes"] for work in found])
        y = np.array([row["gflop_per_s"] for row in rows])
        # Runs of several days measured their ceilings anew: what the device has reached at its best.
        bandwidth = max(work["ceilings"]["gb_per_s_copy"] for work in found)
        kinds = {kind for work in found for kind in work["ceilings"] if kind.startswith("gflop")}
        peak = max(work["ceilings"].get(kind, 0) for work in found for kind in kinds)
        figure = Figure(figsize=(7, 4.6), layout="constrained")
        axes = figure.add_subplot()
        ends = np.array([min(x.min(), peak / bandwidth) / 2, max(x.max(), peak / bandwidth) * 2])
        line = np.geomspace(ends[0], ends[1], 100)
        axes.plot(line, np.minimum(peak, bandwidth * line), color="0.4", linewidth=1.2)
        names = []
        networks = {network: i for i, network in enumerate(sorted({row["network"] for row in rows}))}
        for i, row in enumerate(rows):
            axes.plot(x[i], y[i], linestyle="none", markersize=MARKER_SIZE, **style(networks[row["network"]]))
            engine = latencies.conditions[row["condition"]].words()["engine"]
            names.append(f"{network_name(row)} ({engine})")
        set_log(axes, "x")
        set_log(axes, "y")
        axes.set_ylim(min(y[y > 0].min(initial=peak), bandwidth * ends[0]) / 2, peak * 2)
        axes.set_xlabel("operations per byte moved at least once (FLOP/B)")
        axes.set_ylabel("speed reached (GFLOP/s)")
        set_title(figure, f"{title}: roofline\n{device}, {precision}")
        axes.grid(alpha=0.3, which="both")
        ceilings = f"line: measured ceilings, {peak:.0f} GFLOP/s and a copy at {bandwidth:.1f} GB/s"
        figure.supxlabel(ceilings, fontsize=7, color="0.35")
        label_points(axes, x, y, names if len(names) <= LABELS else [], MARKER_SIZE)
        plots.append(Plot("roofline" if len(groups) == 1 else f"roofline_{number}", figure))
    return plots


def _boxes(axes, samples: Sequence[np.ndarray]) -> None:
    axes.boxplot(
        samples,
        orientation="horizontal",
        whis=(1, 99),
        widths=0.6,
        showfliers=False,
        patch_artist=True,
        boxprops={"facecolor": "#56B4E9", "alpha": 0.6, "linewidth": 0.8},
        medianprops={"color": "#000000", "linewidth": 1.4},
    )
