"""Calibration, boundary IoU and IoU by object size: a table with means over seeds, and a reliability plot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lednet_mm.evaluation.calibration import calibration_scores
from lednet_mm.reports.drawing import Looks, Plot, label, places, set_title
from lednet_mm.reports.measured import GROUP, VALUES, MeasuredRun, read_calibration
from lednet_mm.reports.reading import Evidence
from lednet_mm.reports.runs import record_name
from lednet_mm.reports.sections.section import TableSection
from lednet_mm.reports.summary import network_name, with_spread
from lednet_mm.reports.tables import Column, names, rows_of
from lednet_mm.statistics import sample_std

HEADERS = dict(
    zip(
        VALUES,
        ("ECE", "confidence", "boundary IoU", "small objects", "medium objects", "large objects"),
        strict=True,
    )
)
CURVES = 7
"""The largest number of networks in one reliability plot, which is the number of colours."""


class Measures(TableSection):
    """The table of measures besides accuracy, and the reliability plots."""

    name = "measures"
    heading = "Calibration, boundaries, object sizes"
    order = 37
    caption = "calibration, boundaries, object sizes"

    def collect(self) -> pd.DataFrame:
        """Return the measures of every network and variant."""
        return collect_measures(self.content.evidence, self.content.measured)

    def columns(self) -> Sequence[Column]:
        """Return columns that identify a row, and one column for each measure."""
        return (
            *(names("study") if self.frame["study"].nunique(dropna=False) > 1 else ()),
            *names("network", "variant", "dataset", "split"),
            Column("seeds", "seeds", ".0f", source="_records"),
            *(
                Column(name, f"{header} (%)", ".2f", show=_spread(name), source="_records")
                for name, header in HEADERS.items()
            ),
        )

    def notes(self) -> Iterable[str]:
        """Explain the measures."""
        yield (
            "± is the standard deviation over seeds. ECE is the expected calibration error over 15 bins of "
            "confidence. A network is overconfident if its confidence is above its pixel accuracy. Objects "
            "are connected parts of the label; small ones are below 1/300 of the image's area, and large "
            "ones have at least 3/100 of it."
        )

    def plots(self) -> list[Plot]:
        """Plot accuracy over confidence."""
        return plot_reliability(self.frame, self.content.title, self.content.looks)


def _spread(name: str) -> Any:
    return lambda row: with_spread(row[name], row[f"_{name}_std"])


def collect_measures(evidence: Evidence, runs: Iterable[MeasuredRun]) -> pd.DataFrame:
    """Collect the measures besides accuracy.

    Args:
        evidence: records and their files, from which the counts of calibration are read again.
        runs: what was measured of each run.

    Returns:
        One row for each ``GROUP`` that has any of ``VALUES``, with the columns ``seeds``; the mean over seeds
        and the standard deviation ``_<value>_std`` of each value; ``_records``, the names of the records; and
        ``_calibration``, the (3, 15) counts summed over all images and seeds.
    """
    groups: dict[tuple, list[MeasuredRun]] = {}
    for run in runs:
        if run.newest:
            groups.setdefault(run.group, []).append(run)
    rows = []
    for key, found in groups.items():
        row: dict[str, Any] = {**dict(zip(GROUP, key, strict=True)), "seeds": len(found)}
        for name in VALUES:
            values = [run.newest[name].values[name] for run in found if name in run.newest]
            row[name] = float(np.mean(values)) if values else None
            row[f"_{name}_std"] = float(sample_std(np.array(values))) if values else None
        sources = dict.fromkeys(record_name(record) for run in found for record in run.newest.values())
        counts = [read_calibration(evidence, run) for run in found]
        calibration = sum((some for some in counts if some is not None), np.zeros((3, 15)))
        rows.append({**row, "_records": list(sources), "_calibration": calibration})
    spreads = [f"_{name}_std" for name in VALUES]
    return pd.DataFrame(rows, columns=[*GROUP, "seeds", *VALUES, *spreads, "_records", "_calibration"])


def plot_reliability(frame: pd.DataFrame, title: str, looks: Looks) -> list[Plot]:
    """Plot accuracy over confidence, in one plot for each study, dataset and split.

    Args:
        frame: result of :func:`collect_measures`.
        title: title of the report.
        looks: colours of the networks.
    """
    plots = []
    known = frame[[counts.any() for counts in frame["_calibration"]]] if len(frame) else frame
    for ending, place, rows in places(known):
        figure = Figure(figsize=(5.2, 4.6), layout="constrained")
        axes = figure.add_subplot()
        axes.plot([0, 100], [0, 100], color="0.6", linewidth=1, zorder=0)
        for row in rows_of(rows.nsmallest(CURVES, "ece_percent")):
            counts = row["_calibration"]
            pixels, confidence, hits = counts[:, counts[0] > 0]
            ece = calibration_scores(counts)["ece_percent"]
            axes.plot(
                100 * confidence / pixels,
                100 * hits / pixels,
                label=f"{label(network_name(row))}: ECE {ece:.1f}%",
                markersize=4,
                linewidth=1.2,
                **looks.of(row).line(),
            )
        axes.set(xlabel="mean confidence (%)", ylabel="accuracy (%)", xlim=(0, 100), ylim=(0, 100))
        axes.legend(fontsize=8, loc="upper left")
        more = f"; the best {CURVES} of {len(rows)}" if len(rows) > CURVES else ""
        set_title(figure, f"{title}\nreliability: {place}{more}")
        plots.append(Plot(f"reliability{ending}", figure))
    return plots
