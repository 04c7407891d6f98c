"""Tuning: the setting that was chosen for each network, the scores of all settings, and the cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lednet_mm.reports.drawing import MAX_ROWS, Looks, Plot, label, places, set_log, set_note, set_title
from lednet_mm.reports.runs import record_name
from lednet_mm.reports.sections.section import TableSection
from lednet_mm.reports.summary import network_name
from lednet_mm.reports.tables import Column, names, rows_of
from lednet_mm.studies.tuning import TuningResult

WIDE = 10
"""If the largest value is at least this many times the smallest, the axis is logarithmic."""


class Tuning(TableSection):
    """The table of the settings that were chosen on val, and the plots of all scores."""

    name = "tuning"
    heading = "Tuning"
    order = 45
    caption = "tuning"

    def collect(self) -> pd.DataFrame:
        """Return the chosen setting of every network and variant."""
        return collect_tuning(self.content.tunings)

    def columns(self) -> Sequence[Column]:
        """Return columns with the chosen setting, its score and the cost of the tuning."""
        return (
            *(names("study") if self.frame["study"].nunique(dropna=False) > 1 else ()),
            *names("network", "variant", "dataset"),
            Column("chosen", "chosen setting", always=True),
            Column("val_miou_percent", "val mIoU (%)", ".2f", source="_record"),
            Column("lowest_miou_percent", "of the worst setting (%)", ".2f", source="_record"),
            Column("seeds", "seeds", ".0f", source="_record"),
            Column("trials", "settings", ".0f", source="_record", always=True),
            Column("failed_trials", "failed", ".0f", source="_record"),
            Column("pruned_trials", "pruned", ".0f", source="_record"),
            Column("hours", "hours", ".2f", source="_record"),
        )

    def notes(self) -> Iterable[str]:
        """Describe how the settings were chosen, and what the tuning cost."""
        yield (
            "The chosen setting has the highest mean mIoU on val over the seeds of the tuning, with which no "
            "reported run was trained. Its score there is too high, because it is the best of several. The "
            "hours are the total time of the processes of all trials."
        )
        yield f"All tunings of this table together took {self.frame['hours'].sum():.2f} hours."

    def plots(self) -> list[Plot]:
        """Plot the score of every setting."""
        return plot_tuning(self.frame, self.content.title, self.content.looks)


def _words(setting: Mapping[str, Any] | None) -> str | None:
    return None if setting is None else ", ".join(f"{key} = {value}" for key, value in setting.items())


def collect_tuning(results: Iterable[TuningResult]) -> pd.DataFrame:
    """Return a table with one row for each tuning.

    Args:
        results: results of all tunings.

    Returns:
        A table with the columns ``study``, ``dataset``, ``split``, ``network`` and ``variant``; ``chosen``,
        the chosen setting in words, or None if every trial failed; ``val_miou_percent``, its score;
        ``lowest_miou_percent``, the score of the worst setting; ``seeds``, the number of seeds of the tuning;
        ``trials``, ``failed_trials``, ``pruned_trials`` and ``hours``; and ``_result``, the whole result.
    """
    rows = []
    for result in results:
        run = result.record.run
        finished = [fmean(tried.miou_percent) for tried in result.tried if tried.miou_percent]
        values, tune = result.record.values, result.record.details["tune"]
        rows.append(
            {
                **{"study": run.study, "dataset": run.dataset, "split": tune.get("split", "val")},
                **{"network": run.network, "variant": run.variant, "chosen": _words(result.chosen)},
                "val_miou_percent": result.miou_percent,
                "lowest_miou_percent": min(finished, default=None),
                "seeds": len(tune.get("seeds", ())) or None,
                **{key: values[key] for key in ("trials", "failed_trials", "pruned_trials")},
                "hours": result.hours,
                "_record": [record_name(result.record)],
                "_result": result,
            }
        )
    frame = pd.DataFrame(rows)
    keys = ["study", "dataset", "network", "variant"]
    return frame.sort_values(keys, na_position="first", ignore_index=True) if rows else frame


def plot_tuning(frame: pd.DataFrame, title: str, looks: Looks) -> list[Plot]:
    """Plot the mIoU on val over the values of each tuned key, in one plot for each study and dataset.

    Args:
        frame: result of :func:`collect_tuning`.
        title: title of the report.
        looks: colours of the networks.
    """
    plots = []
    for ending, place, rows in places(frame) if len(frame) else ():
        rows = rows.dropna(subset=["val_miou_percent"]).nlargest(MAX_ROWS, "val_miou_percent")
        tuned = [(row, row["_result"]) for row in rows_of(rows)]
        keys = list(
            dict.fromkeys(key for _, result in tuned for tried in result.tried for key in tried.setting)
        )
        if not keys:
            continue
        figure = Figure(figsize=(1.8 + 3.6 * len(keys), 4.4), layout="constrained")
        first, *_ = across = list(figure.subplots(1, len(keys), squeeze=False)[0])
        first.set_ylabel(f"mean IoU on {rows['split'].iloc[0]} (%)")
        for key, axes in zip(keys, across, strict=True):
            position = _place_values(axes, key, [result for _, result in tuned])
            for row, result in tuned:
                _draw(axes, key, position, row, result, looks)
            axes.set_xlabel(label(key))
            axes.grid(alpha=0.3)
        first.legend(fontsize=7)
        set_title(figure, f"{title}\ntuning: {place}")
        notes = ["points: settings, mean over the seeds of the tuning", "line: the best of each value"]
        set_note(figure, [*notes, "ring: chosen"])
        plots.append(Plot(f"tuning{ending}", figure))
    return plots


def _place_values(axes: Axes, key: str, results: Iterable[TuningResult]) -> dict[str, float]:
    """Prepare the horizontal axis for the values of a key.

    Args:
        axes: axes of the plot.
        key: the tuned key.
        results: results of the tunings in the plot.

    Returns:
        The position of each value on the axis, by the text of the value.
    """
    values = [tried.setting[key] for result in results for tried in result.tried if key in tried.setting]
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        if min(values) > 0 and max(values) / min(values) >= WIDE:
            set_log(axes, "x")
        return {str(value): float(value) for value in values}
    texts = list(dict.fromkeys(map(str, values)))
    axes.set_xticks(range(len(texts)), [label(text) for text in texts], fontsize=8)
    return {text: float(i) for i, text in enumerate(texts)}


def _draw(
    axes: Axes,
    key: str,
    position: Mapping[str, float],
    row: Mapping[str, Any],
    result: TuningResult,
    looks: Looks,
) -> None:
    """Draw the scores of one tuning over the values of one key.

    Args:
        axes: axes of the plot.
        key: the tuned key.
        position: positions of the key's values on the horizontal axis, by their texts.
        row: network and variant that were tuned.
        result: result of the tuning.
        looks: colours of the networks.
    """
    look = looks.of(row)
    points = [
        (position[str(tried.setting[key])], fmean(tried.miou_percent))
        for tried in result.tried
        if tried.miou_percent and key in tried.setting
    ]
    if not points:
        return
    best: dict[float, float] = {}
    for x, y in points:
        best[x] = max(y, best.get(x, -np.inf))
    axes.plot(*zip(*points, strict=True), linestyle="none", markersize=4, **look.point())
    line = {**look.line(), "marker": ""}
    axes.plot(sorted(best), [best[x] for x in sorted(best)], label=label(network_name(row)), **line)
    if result.chosen is not None and result.miou_percent is not None and key in result.chosen:
        ring: dict[str, Any] = {
            "markersize": 11,
            "markerfacecolor": "none",
            "color": look.color,
            "marker": "o",
        }
        axes.plot([position[str(result.chosen[key])]], [result.miou_percent], linestyle="none", **ring)
