"""Accuracy on corrupted images: a table with means over seeds, and a heat map of all corruptions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lednet_mm.evaluation.corruptions import NAMES, summarise_robustness
from lednet_mm.reports.drawing import MAX_ROWS, Plot, label, places, set_title
from lednet_mm.reports.measured import CORRUPTED, GROUP, RETENTION, MeasuredRun, describe_corruptions
from lednet_mm.reports.runs import record_name
from lednet_mm.reports.sections.section import TableSection
from lednet_mm.reports.summary import network_name, with_spread
from lednet_mm.reports.tables import Column, is_missing, names, rows_of
from lednet_mm.statistics import sample_std

TOTALS = {
    "miou_percent": "clean mIoU (%)",
    CORRUPTED: "corrupted mIoU (%)",
    RETENTION: "retention (%)",
}


class Robustness(TableSection):
    """The table and heat map of the accuracy on corrupted images."""

    name = "robustness"
    heading = "Corrupted images"
    order = 38
    caption = "corrupted images"

    def collect(self) -> pd.DataFrame:
        """Return the accuracies of every network and variant on corrupted images."""
        return collect_robustness(self.content.measured)

    def columns(self) -> Sequence[Column]:
        """Return columns with the totals, followed by one column for each corruption."""
        return (
            *(names("study") if self.frame["study"].nunique(dropna=False) > 1 else ()),
            *names("network", "variant", "dataset", "split", "corruptions"),
            Column("seeds", "seeds", ".0f", source="_records"),
            *(
                Column(name, header, ".2f", show=_spread(name), source="_records")
                for name, header in TOTALS.items()
            ),
            *(
                Column(name, f"{name.replace('_', ' ')} (%)", ".1f", source="_records", look="heat")
                for name in NAMES
            ),
        )

    def notes(self) -> Iterable[str]:
        """Describe how the totals are computed."""
        yield (
            "The corrupted mIoU is that on images with the corruptions of Hendrycks and Dietterich (ICLR "
            "2019), averaged over the severities of each corruption and then over the corruptions. Retention "
            "is its share of the clean mIoU. ± is the standard deviation over seeds."
        )
        if self.frame["corruptions"].nunique() > 1:
            yield "Compare only rows with the same corruptions and severities."

    def plots(self) -> list[Plot]:
        """Plot the mIoU with each corruption."""
        return plot_robustness(self.frame, self.content.title)


def _spread(name: str) -> Any:
    return lambda row: with_spread(row[name], row[f"_{name}_std"])


def collect_robustness(measured: Iterable[MeasuredRun]) -> pd.DataFrame:
    """Collect the accuracies on corrupted images.

    Args:
        measured: what was measured of each run.

    Returns:
        One row for each ``GROUP`` and each set of corruptions and severities, which ``corruptions`` describes
        in words. The further columns are ``seeds``; the mean over seeds and the standard deviation
        ``_<value>_std`` of each of ``TOTALS``; the mean for each corruption; and ``_records``, the names of
        the records.
    """
    groups: dict[tuple, list[dict[str, Any]]] = {}
    for run in measured:
        clean = run.accuracy.values["miou_percent"]
        if not run.corrupted or clean is None:
            continue
        miou = {corruption: record.values["miou_percent"] for corruption, record in run.corrupted.items()}
        summary = summarise_robustness(clean, miou)
        groups.setdefault((*run.group, describe_corruptions(run.corrupted)), []).append(
            {
                "miou_percent": clean,
                CORRUPTED: summary.mean_miou,
                RETENTION: summary.retention,
                **summary.by_corruption,
                "_records": [record_name(r) for r in (run.accuracy, *run.corrupted.values())],
            }
        )
    rows = []
    for key, runs in sorted(groups.items(), key=lambda item: tuple(map(str, item[0]))):
        row: dict[str, Any] = {**dict(zip((*GROUP, "corruptions"), key, strict=True)), "seeds": len(runs)}
        for name in TOTALS:
            row[name] = float(np.mean([run[name] for run in runs]))
            row[f"_{name}_std"] = float(sample_std(np.array([run[name] for run in runs])))
        row |= {name: float(np.mean([run[name] for run in runs])) for name in NAMES if name in runs[0]}
        rows.append({**row, "_records": [name for run in runs for name in run["_records"]]})
    spreads = [f"_{name}_std" for name in TOTALS]
    return pd.DataFrame(rows, columns=[*GROUP, "corruptions", "seeds", *TOTALS, *NAMES, *spreads, "_records"])


def plot_robustness(frame: pd.DataFrame, title: str) -> list[Plot]:
    """Plot the mIoU with each corruption as a heat map.

    There is one heat map for each study, dataset, split and set of corruptions.

    Args:
        frame: result of :func:`collect_robustness`.
        title: title of the report.
    """
    plots = []
    for ending, place, placed in places(frame):
        several = list(placed.groupby("corruptions", sort=True))
        for number, (tested, rows) in enumerate(several, start=1):
            rows = rows.nlargest(MAX_ROWS, CORRUPTED)
            shown = ["miou_percent", *(name for name in NAMES if rows[name].notna().any())]
            values = rows[shown].to_numpy(dtype=float)
            figure = Figure(figsize=(2.6 + 0.45 * len(shown), 2.2 + 0.3 * len(rows)), layout="constrained")
            axes = figure.add_subplot()
            image = axes.imshow(values, cmap="cividis", vmin=0, vmax=100, aspect="auto")
            for i, j in np.ndindex(*values.shape):
                if not is_missing(values[i, j]):
                    color = "white" if values[i, j] < 55 else "black"
                    axes.text(j, i, f"{values[i, j]:.0f}", fontsize=7, color=color, ha="center", va="center")
            words = ["clean", *(name.replace("_", " ") for name in shown[1:])]
            axes.set_xticks(range(len(words)), words, rotation=45, ha="right", fontsize=8)
            labels = [label(network_name(row)) for row in rows_of(rows)]
            axes.set_yticks(range(len(labels)), labels, fontsize=8)
            set_title(figure, f"{title}\nmIoU (%) by corruption: {place}; corruptions: {tested}")
            figure.colorbar(image, ax=axes, label="mIoU (%)", fraction=0.03, pad=0.02)
            of_set = f"_{number}" if len(several) > 1 else ""
            plots.append(Plot(f"robustness{ending}{of_set}", figure))
    return plots
