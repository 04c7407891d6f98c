"""The differences of each network and variant to its baseline, and what was expected of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from lednet_mm.reports.differences import UNRESOLVED, describe_method
from lednet_mm.reports.drawing import MAX_ROWS, Looks, Plot, label, places, set_note, set_title
from lednet_mm.reports.sections.section import TableSection
from lednet_mm.reports.summary import network_name
from lednet_mm.reports.tables import Column, is_missing, names, rows_of
from lednet_mm.statistics import LEVEL
from lednet_mm.text import counted, shortened


class Ablation(TableSection):
    """The table and plot that compare every network and variant with its baselines."""

    name = "ablation"
    heading = "Differences to the baseline"
    order = 30
    caption = "differences to the baseline"

    def collect(self) -> pd.DataFrame:
        """Return the result of :func:`lednet_mm.reports.baselines.compare_with_baselines`."""
        return self.content.against_baselines

    def columns(self) -> Sequence[Column]:
        """Return columns with the difference in accuracy, followed by those in cost."""
        return (
            *(names("study") if self.frame["study"].nunique(dropna=False) > 1 else ()),
            *names("network", "variant", "dataset", "split"),
            Column("baseline", "compared with"),
            Column("seeds", "seeds", ".0f", source="_accuracy"),
            Column(
                "difference_points",
                "mIoU difference (points)",
                ".2f",
                show=lambda row: f"{row['difference_points']:+.2f}",
                source="_accuracy",
            ),
            Column(
                "low_points",
                "95% interval (points)",
                ".2f",
                show=lambda row: f"{row['low_points']:+.2f} to {row['high_points']:+.2f}",
                source="_accuracy",
                look="interval",
                extra=_drawn,
            ),
            Column("verdict", "result", look="verdict", always=True),
            Column("verdict_holm", "result among all", look="verdict"),
            Column("expectation", "expected"),
            Column(
                "params_change_percent",
                "parameters (%)",
                **_change("params_change_percent"),
                source="_complexity",
            ),
            Column("macs_change_percent", "MACs (%)", **_change("macs_change_percent"), source="_complexity"),
            Column(
                "latency_change_percent",
                "latency p50 (%)",
                **_change("latency_change_percent"),
                source="_latency",
            ),
        )

    def notes(self) -> Iterable[str]:
        """Describe how the interval is computed, and what else differs."""
        frame = self.frame
        yield from _method(frame.dropna(subset=["low_points"]))
        if frame["seeds"].eq(1).any():
            yield (
                "With one seed, the interval describes these two trainings and not the networks, because it "
                "resamples images only."
            )
        differs = frame[frame["recipe_differs"].eq(True)]
        if len(differs):
            known = sorted({f"{n} {v}" for n, v in zip(differs["network"], differs["variant"], strict=True)})
            yield f"Trained with another recipe than the baseline: {shortened(known, 10)}."
        speed = self.content.latencies.main
        if speed and frame["latency_change_percent"].notna().any():
            yield f"Latency: {speed}."

    def plots(self) -> list[Plot]:
        """Draw the differences with their intervals."""
        return plot_forest(self.frame, self.content.title, self.content.looks)


def _method(taken: pd.DataFrame) -> Iterator[str]:
    """Describe how intervals are computed, and how many differences are resolved.

    Args:
        taken: rows that have an interval.
    """
    if taken.empty:
        return
    yield describe_method(taken["_sampling"], taken["seeds"])
    judged = taken.dropna(subset=["p_holm"])
    if len(judged) > 1:
        resolved, kept = (judged[name].ne(UNRESOLVED).sum() for name in ("verdict", "verdict_holm"))
        yield (
            f"{resolved} of {len(judged)} differences are resolved by themselves; if no difference were "
            f"real, chance alone would resolve {(1 - LEVEL) * len(judged):.1f} of them. With Holm's "
            f"correction for all comparisons with the same baseline, {kept} are resolved."
        )


def _change(key: str) -> dict[str, Any]:
    return {"form": ".1f", "show": lambda row: f"{row[key]:+.1f}"}


def _drawn(row: Mapping[str, Any]) -> list[Any] | None:
    """Return the interval that the page draws: the middle, both ends, and whether to dot it (one seed)."""
    ends = [row[f"{name}_points"] for name in ("difference", "low", "high")]
    return None if any(map(is_missing, ends)) else [*(float(f"{end:.6g}") for end in ends), row["seeds"] == 1]


def plot_forest(frame: pd.DataFrame, title: str, looks: Looks) -> list[Plot]:
    """Plot the differences to the baseline with their intervals; resolved ones have a filled marker.

    Args:
        frame: result of :func:`lednet_mm.reports.baselines.compare_with_baselines`.
        title: title of the report.
        looks: colours of the networks.
    """
    plots = []
    for ending, place, rows in places(frame.dropna(subset=["difference_points"])):
        total = len(rows)
        order = rows["difference_points"].abs().sort_values(ascending=False).index[:MAX_ROWS]
        rows = rows.loc[order].sort_values("difference_points", ascending=False)
        figure = Figure(figsize=(7, 1.5 + 0.3 * len(rows)), layout="constrained")
        axes = figure.add_subplot()
        names = []
        count = Counter(map(network_name, rows_of(rows)))
        for i, row in enumerate(rows_of(rows)):
            color = looks.of(row).color
            resolved = row["verdict"].startswith(("better", "worse"))
            low = row["difference_points"] - row["low_points"]
            high = row["high_points"] - row["difference_points"]
            one_seed = row["seeds"] == 1
            bars = axes.errorbar(
                row["difference_points"],
                i,
                xerr=[[max(0, low)], [max(0, high)]],
                marker="o",
                color=color,
                markerfacecolor=color if resolved else "white",
                markersize=6,
                capsize=3,
            )
            if one_seed:  # the interval is narrow because it does not include the variation over seeds
                bars.lines[2][0].set_linestyle(":")
            against = f", against {row['baseline']}" if count[network_name(row)] > 1 else ""
            names.append(f"{network_name(row)}{against} ({counted(row['seeds'], 'seed')})")
        axes.axvline(0, color="0.3", linewidth=0.8)
        axes.set_yticks(range(len(names)), list(map(label, names)), fontsize=8)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlabel("mIoU minus the baseline's (percentage points), 95% interval")
        bases = ", ".join(sorted(set(rows["baseline"]))[:3])
        base = f"compared with {bases}" if rows["baseline"].nunique() <= 3 else "each with its own baseline"
        largest = f"; the largest {MAX_ROWS} of {total}" if total > MAX_ROWS else ""
        set_title(figure, f"{title}\n{place}; {base}{largest}")
        axes.grid(alpha=0.3, axis="x")
        notes = ["filled: resolved", "hollow: the interval contains zero"]
        if (rows["seeds"] == 1).any():
            notes.append("dotted: one seed, over images alone")
        set_note(figure, notes)
        plots.append(Plot(f"ablation{ending}", figure))
    return plots
