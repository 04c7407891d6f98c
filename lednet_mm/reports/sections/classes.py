"""The IoU of each class, with its mean and standard deviation over seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lednet_mm.reports.classes import class_names
from lednet_mm.reports.drawing import MAX_ROWS, Plot, label, places, set_title
from lednet_mm.reports.sections.section import TableSection
from lednet_mm.reports.summary import network_name, with_spread
from lednet_mm.reports.tables import Column, Table, names, rows_of, to_csv


class Classes(TableSection):
    """The table and heat map of class IoUs, for the splits that the summary shows."""

    name = "class_summary"
    heading = "IoU by class"
    order = 40
    caption = "IoU by class"

    def collect(self) -> pd.DataFrame:
        """Return the class IoUs of each network and variant, averaged over seeds."""
        return self.content.class_means

    def columns(self) -> Sequence[Column]:
        """Return columns that identify a row, and one column for each class."""
        return (
            *(names("study") if self.frame["study"].nunique(dropna=False) > 1 else ()),
            *names("network", "variant", "dataset", "split"),
            Column("seeds", "seeds", ".0f", source="_accuracy"),
            *(
                Column(name, f"{name} (%)", ".1f", show=_spread(name), source="_accuracy", look="heat")
                for name in class_names(self.frame)
            ),
        )

    def notes(self) -> Iterable[str]:
        """Explain the numbers."""
        yield "IoU of each class; ± is the standard deviation over seeds."

    def files(self) -> dict[str, bytes]:
        """Return the files of the table, and a CSV file with the class IoUs of every run and split."""
        runs = Table("class_iou", self.content.title, (), self.content.classes)
        single = {"class_iou.csv": to_csv(runs).encode()} if len(runs.frame) else {}
        return {**super().files(), **single}

    def plots(self) -> list[Plot]:
        """Draw the table as a heat map."""
        return plot_classes(self.frame, self.content.title)


def _spread(name: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda row: with_spread(row[name], row[f"_{name}_std"], ".1f")


def plot_classes(classes: pd.DataFrame, title: str) -> list[Plot]:
    """Plot the IoU of each class as a heat map.

    Args:
        classes: result of :func:`lednet_mm.reports.classes.summarise_classes`.
        title: title of the report.
    """
    plots = []
    for ending, place, rows in places(classes):
        names = [name for name in class_names(classes) if rows[name].notna().any()]
        if not names:
            continue
        total = len(rows)
        order = rows[names].mean(axis=1).sort_values(ascending=False).index[:MAX_ROWS]
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
        best = f"; the best {MAX_ROWS} of {total}" if total > MAX_ROWS else ""
        set_title(figure, f"{title}\nIoU by class (%): {place}{best}")
        figure.colorbar(image, ax=axes, label="IoU (%)", fraction=0.03, pad=0.02)
        plots.append(Plot(f"class_iou{ending}", figure))
    return plots
