"""Deployed forms: a table of their accuracy and latency, a plot, and which one to deploy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lednet_mm.reports.deployed import WITHIN, Form, Weights, collect_forms
from lednet_mm.reports.differences import describe_method
from lednet_mm.reports.drawing import MARKER_SIZE, Plot, label_points, set_note, set_title
from lednet_mm.reports.latencies import show_fps
from lednet_mm.reports.runs import record_name
from lednet_mm.reports.sections.section import TableSection
from lednet_mm.reports.summary import network_name
from lednet_mm.reports.tables import Column, names


class Deployed(TableSection):
    """The accuracy of every deployed form, with its difference to the checkpoint and its latency."""

    name = "deployed"
    heading = "Deployed forms"
    order = 75
    caption = "deployed forms"

    @cached_property
    def weights(self) -> list[Weights]:
        """The weights that were tested in deployed forms."""
        return collect_forms(self.content.evidence.records, self.content.differences)

    def collect(self) -> pd.DataFrame:
        """Return one row for each form."""
        return pd.DataFrame([_row(form, weights) for weights in self.weights for form in weights.forms])

    def columns(self) -> Sequence[Column]:
        """Return columns that identify the form, followed by accuracy and latency."""
        return (
            *names("network", "variant", "dataset", "split", "engine", "precision"),
            Column("_deployed", "BN folded"),
            Column("miou_percent", "mIoU (%)", ".2f", source="_accuracy"),
            Column("difference", "to the checkpoint (points)", "+.2f", source="_accuracy"),
            Column("low", "95% interval (points)", show=_interval, source="_accuracy"),
            Column("result", "result"),
            Column("latency_ms_p50", "latency p50 (ms)", ".2f", source="_latency"),
            Column("fps_p50", "FPS (p50)", ".1f", show=show_fps, source="_latency"),
            Column(
                "times_as_fast",
                "times as fast as the checkpoint",
                ".2f",
                show=lambda row: str(row["_speedup"]),
                source="_latency",
            ),
            Column("_unstable", "unstable"),
            Column("file_bytes", "file (MiB)", ".2f", 2**20, source="_accuracy"),
        )

    def notes(self) -> Iterable[str]:
        """Say under which condition latencies were measured, and which form to deploy."""
        for weights in self.weights:
            who = _title(weights)
            if weights.condition is not None:
                yield f"Latency of {who}: {weights.condition}."
            yield from recommendations(weights)
        if self.frame["times_low"].notna().any():
            yield (
                "Times as fast as the checkpoint: the median of the ratios in the rounds of one run that "
                "timed both, with its 95% interval."
            )
        differences = [form.difference for weights in self.weights for form in weights.forms]
        known = [difference for difference in differences if difference.interval is not None]
        if known:
            yield describe_method((d.sampling for d in known), (1 for _ in known))

    def plots(self) -> list[Plot]:
        """Plot the accuracy of each form over its speed, with the forms of one network joined by a line."""
        plots = []
        for number, weights in enumerate(self.weights, start=1):
            timed = [form for form in weights.forms if form.latency is not None]
            if len(timed) < 2:
                continue
            ending = "" if len(self.weights) == 1 else f"_{number}"
            plots.append(Plot(f"deployed{ending}", _figure(weights, timed, self.content.title)))
        return plots


def form_name(form: Form) -> str:
    """Return a form in words."""
    backend = form.backend
    return f"{backend.engine} {backend.precision}{', BN folded' if backend.deployed else ''}"


def recommendations(weights: Weights) -> Iterable[str]:
    """Yield which form to deploy at each accepted loss of accuracy; equal answers are one line."""
    answers: dict[str, list[str]] = {}
    for points in WITHIN:
        form = weights.fastest_within(points)
        if form is None or form.latency is None or weights.plain is None:
            continue
        loss = ""
        if form.difference.interval is not None:
            interval = form.difference.interval
            loss = f", {interval.difference:+.2f} points ({interval.low:+.2f} to {interval.high:+.2f})"
        times = weights.speedup(form)
        speed = "" if times is None else f", {times} times as fast as the checkpoint"
        unstable = ", unstable" if form.latency.values.get("unstable") else ""
        answer = f"{form_name(form)} ({form.milliseconds:.1f} ms{speed}{unstable}{loss})"
        answers.setdefault(answer, []).append(f"{points:g}")
    for answer, accepted in answers.items():
        yield f"Fastest of {_title(weights)} within {' or '.join(accepted)} points of mIoU: {answer}."


def _title(weights: Weights) -> str:
    run = weights.forms[0].accuracy.run
    return f"{network_name({'network': run.network, 'variant': run.variant})} on {run.dataset}"


def _row(form: Form, weights: Weights) -> dict[str, Any]:
    record, run = form.accuracy, form.accuracy.run
    values = form.latency.values if form.latency else {}
    times = weights.speedup(form)
    interval = form.difference.interval
    return {
        "network": run.network,
        "variant": run.variant,
        "dataset": run.dataset,
        "seed": run.seed,
        "split": record.details["split"],
        "engine": form.backend.engine,
        "precision": form.backend.precision,
        "deployed": form.backend.deployed,
        "miou_percent": form.miou,
        "difference": interval.difference if interval else None,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
        "result": form.difference.verdict or None,
        "latency_ms_p50": values.get("latency_ms_p50"),
        "fps_p50": values.get("fps_p50"),
        "times_as_fast": times.ratio if times else None,
        "times_low": times.low if times else None,
        "times_high": times.high if times else None,
        "file_bytes": record.details.get("file_bytes"),
        "accuracy_record": record_name(record),
        "latency_record": record_name(form.latency) if form.latency else None,
        "_deployed": "yes" if form.backend.deployed else None,
        "_unstable": "unstable" if values.get("unstable") else None,
        "_speedup": times,
        "_accuracy": [record_name(record)],
        "_latency": [record_name(form.latency)] if form.latency else [],
    }


def _interval(row: Mapping[str, Any]) -> str:
    return f"{row['low']:+.2f} to {row['high']:+.2f}"


def _figure(weights: Weights, timed: Sequence[Form], title: str) -> Figure:
    x = np.array([1000 / form.milliseconds for form in timed])
    y = np.array([form.miou for form in timed])
    figure = Figure(figsize=(7, 4.6), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(x, y, color="0.6", linewidth=1, zorder=1)
    for i, form in enumerate(timed):
        interval = form.difference.interval
        bars = None
        if interval is not None:
            bars = [
                [max(0.0, interval.difference - interval.low)],
                [max(0.0, interval.high - interval.difference)],
            ]
        marker = "s" if form is weights.plain else "o"
        axes.errorbar(x[i], y[i], yerr=bars, marker=marker, markersize=MARKER_SIZE, capsize=2, linewidth=0.8)
    axes.margins(0.18)
    axes.set_xlabel("speed (images per second, median)")
    axes.set_ylabel("mean IoU (%)")
    set_title(figure, f"{title}: deployed forms of {_title(weights)}\n{weights.condition}")
    axes.grid(alpha=0.3)
    set_note(
        figure, ["line: forms of one network", "bars: 95% interval of the difference", "square: checkpoint"]
    )
    label_points(axes, x, y, [form_name(form) for form in timed], MARKER_SIZE)
    return figure
