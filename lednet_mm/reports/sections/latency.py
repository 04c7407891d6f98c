"""Latencies: a table with one row for each network and condition, and plots of samples and rooflines."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import fields
from functools import cached_property

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lednet_mm.reports.drawing import (
    MARKER_SIZE,
    MAX_LABELS,
    Looks,
    Plot,
    label,
    label_points,
    set_log,
    set_note,
    set_title,
)
from lednet_mm.reports.latencies import Condition, LatencyCollection, fastest_resolved, short_names, show_fps
from lednet_mm.reports.sections.section import TableSection
from lednet_mm.reports.summary import network_name
from lednet_mm.reports.tables import Column, is_missing, names, rows_of

MAX_DISTRIBUTIONS = 30
"""The largest number of distributions in one plot; the table has all latencies."""


class Latency(TableSection):
    """The table and plots of all latencies."""

    name = "latency"
    heading = "Latency"
    order = 70
    caption = "latency"

    def collect(self) -> pd.DataFrame:
        """Return the latencies, with the parts of each condition in columns of their own."""
        latencies = self.content.latencies
        frame = latencies.frame.copy()
        conditions = [latencies.conditions[i] for i in frame["condition"]]
        for part in fields(Condition):
            frame[part.name] = [getattr(condition, part.name) for condition in conditions]
        frame["shape"] = [f"{height}x{width}" for height, width in frame["shape"]]
        if frame["channels"].eq(3).all():  # nearly always the case, so the column would say nothing
            del frame["channels"]
        if frame["timed"].nunique() < 2:  # then the note below the table says it
            del frame["timed"]
        frame["threads"] = frame["threads"].astype("Int64")
        frame["condition"] += 1
        frame["unstable"] = frame["unstable"].eq(True)
        frame["_deployed"] = frame["deployed"].map({True: "yes"})
        frame["_unstable"] = frame["unstable"].map({True: "unstable"})
        frame["_record"] = [[name] for name in frame["record"]]
        return frame

    def columns(self) -> Sequence[Column]:
        """Return columns with the conditions, followed by the measurements."""
        conditions = ("device", "threads", "engine", "precision", "shape", "channels", "batch_size", "timed")
        return (
            *names("network", "variant", "dataset"),
            *(Column(key, key.replace("_", " ")) for key in conditions),
            Column("_deployed", "BN folded"),
            Column("fps_p50", "FPS (p50)", ".1f", show=show_fps, source="_record"),
            Column("latency_ms_p50", "latency p50 (ms)", ".2f", source="_record"),
            Column("latency_ms_p90", "latency p90 (ms)", ".2f", source="_record"),
            Column("latency_ms_p99", "latency p99 (ms)", ".2f", source="_record"),
            Column("peak_memory_bytes", "peak memory (MiB)", ".0f", 2**20, source="_record"),
            Column("energy_joule", "energy (J an image)", ".3f", source="_record"),
            Column("gflop_per_s", "reached (GFLOP/s)", ".1f", source="_record"),
            Column("roofline_fraction", "of the roofline (%)", ".1f", 0.01, source="_record"),
            Column("_unstable", "unstable"),
        )

    def notes(self) -> Iterable[str]:
        """Say what was timed, and what is bold."""
        timed = sorted({c.timed for c in self.content.latencies.conditions if c.timed})
        if timed:
            yield f"Timed: {'; '.join(timed)}."
        if self._best:
            yield (
                "Bold: the fastest under its condition, if the 95% intervals of the medians (by order "
                "statistics) do not overlap."
            )

    def best(self) -> Iterable[tuple[Hashable, str]]:
        """Return the fastest network under each condition if the difference to the next is resolved."""
        return self._best

    @cached_property
    def _best(self) -> set[tuple[Hashable, str]]:
        groups = (rows for _, rows in self.frame.groupby(["condition", "dataset"]))
        fastest = [label for rows in groups if (label := fastest_resolved(rows)) is not None]
        return {(label, key) for label in fastest for key in ("fps_p50", "latency_ms_p50")}

    def plots(self) -> list[Plot]:
        """Plot the distributions of samples and the rooflines."""
        latencies, title, looks = self.content.latencies, self.content.title, self.content.looks
        return [*plot_latencies(latencies, title, looks), *plot_rooflines(latencies, title, looks)]


def plot_latencies(latencies: LatencyCollection, title: str, looks: Looks) -> list[Plot]:
    """Plot the distribution of the samples of every network and engine on one device, for one input.

    Args:
        latencies: latencies of the report.
        title: title of the report.
        looks: colours of the networks.
    """
    alike = latencies.alike()
    frame = latencies.frame[latencies.frame["condition"].isin(alike)]
    rows = [row for row in rows_of(frame) if row["record"] in latencies.samples]
    rows.sort(key=lambda row: row["latency_ms_p50"])
    if not rows:
        return []
    shown = rows[:MAX_DISTRIBUTIONS]
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
    drawn = axes.boxplot(
        samples,
        orientation="horizontal",
        whis=(1, 99),
        widths=0.6,
        showfliers=False,
        patch_artist=True,
        boxprops={"linewidth": 0.8},
        medianprops={"color": "#000000", "linewidth": 1.4},
    )
    for i, (row, box) in enumerate(zip(shown, drawn["boxes"], strict=True), start=1):
        look = looks.of(row)
        box.set(facecolor=f"{look.color}{'40' if look.is_variant else 'B0'}", edgecolor=look.color)
        axes.plot(row["latency_ms_p99"], i, marker="|", color="0.2", markersize=9, zorder=3)
    axes.set_yticks(range(1, len(names) + 1), list(map(label, names)), fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("latency (ms)")
    if max(s.max() for s in samples) > 20 * min(s.min() for s in samples):
        set_log(axes, "x")
    fastest = f", the fastest {MAX_DISTRIBUTIONS} of {len(rows)}" if len(rows) > MAX_DISTRIBUTIONS else ""
    words = [condition.words() for condition in conditions]
    common = [word for key, word in words[0].items() if all(other[key] == word for other in words)]
    of = f" of {network_name(shown[0])}" if one_network else ""
    set_title(figure, f"{title}: latency{of}{fastest}\n{', '.join(filter(None, common))}")
    axes.grid(alpha=0.3, axis="x")
    pale = any(looks.of(row).is_variant for row in shown)
    notes = ["box: quartiles", "line: median", "whiskers: p1 to p99", "tick: p99 of the record"]
    set_note(figure, [*notes, *(["pale: a variant of the network of that colour"] if pale else [])])
    return [Plot("latency", figure)]


def plot_rooflines(latencies: LatencyCollection, title: str, looks: Looks) -> list[Plot]:
    """Plot the speed that every network reached and the limits of its device, for each device and precision.

    The horizontal axis is the number of operations per byte that has to be moved, and the vertical axis is
    the number of operations per second. No network can be above the lines.

    Args:
        latencies: latencies of the report.
        title: title of the report.
        looks: colours of the networks.
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
        # Ceilings were measured anew on every day, so the best that the device has reached counts.
        bandwidth = max(work["ceilings"]["gb_per_s_copy"] for work in found)
        kinds = {kind for work in found for kind in work["ceilings"] if kind.startswith("gflop")}
        peak = max(work["ceilings"].get(kind, 0) for work in found for kind in kinds)
        figure = Figure(figsize=(7, 4.6), layout="constrained")
        axes = figure.add_subplot()
        ends = np.array([min(x.min(), peak / bandwidth) / 2, max(x.max(), peak / bandwidth) * 2])
        line = np.array([ends[0], peak / bandwidth, ends[1]])
        axes.plot(line, np.minimum(peak, bandwidth * line), color="0.4", linewidth=1.2)
        names = []
        one_network = len({network_name(row) for row in rows}) == 1
        for i, row in enumerate(rows):
            axes.plot(x[i], y[i], linestyle="none", markersize=MARKER_SIZE, **looks.of(row).point())
            engine = latencies.conditions[row["condition"]].words()["engine"]
            names.append(engine if one_network else f"{network_name(row)} ({engine})")
        set_log(axes, "x")
        set_log(axes, "y")
        axes.set_ylim(min(y[y > 0].min(initial=peak), bandwidth * ends[0]) / 2, peak * 2)
        axes.set_xlabel("operations per byte moved at least once (FLOP/B)")
        axes.set_ylabel("speed reached (GFLOP/s)")
        of = f" of {network_name(rows[0])}" if one_network else ""
        set_title(figure, f"{title}: roofline{of}\n{device}, {precision}")
        axes.grid(alpha=0.3, which="both")
        ceilings = f"line: measured ceilings, {peak:.0f} GFLOP/s and a copy at {bandwidth:.1f} GB/s"
        set_note(figure, [ceilings])
        label_points(axes, x, y, names if len(names) <= MAX_LABELS else [], MARKER_SIZE)
        plots.append(Plot("roofline" if len(groups) == 1 else f"roofline_{number}", figure))
    return plots
