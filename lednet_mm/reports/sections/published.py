"""Measured and published numbers side by side, with one row for each published row of a measured network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from lednet_mm.reports.drawing import MARKER_SIZE, Looks, Plot, label_points, set_note, set_title
from lednet_mm.reports.published import MIOU, published_rows, size_of
from lednet_mm.reports.sections.section import TableSection
from lednet_mm.reports.tables import Column, names, rows_of
from lednet_mm.text import DEFAULT

COLUMNS = (
    *names("network", "dataset", "split"),
    Column("published_as", "published as", always=True),
    Column("miou_percent", "mIoU (%)", ".2f", source="_accuracy"),
    Column("published_miou_percent", "published mIoU (%)", ".2f", cites="source"),
    Column("published_miou_at", "published mIoU at", cites="source"),
    Column("params", "parameters (M)", ".3f", 1e6, source="_complexity"),
    Column("published_params_m", "published parameters (M)", ".2f", cites="source"),
    Column("macs", "MACs (G)", ".2f", 1e9, source="_complexity"),
    Column("macs_shape", "MACs at"),
    Column("published_flops_g", "published FLOPs or MACs (G)", ".2f", cites="source"),
    Column("published_flops_at", "published at", cites="source"),
    Column("fps_0", "FPS (p50)", ".1f", source="_latency_0"),
    Column("published_fps", "published FPS", ".1f", cites="source"),
    Column("published_fps_gpu", "published FPS on", cites="source"),
    Column("published_fps_at", "published FPS at", cites="source"),
    Column("extra_data", "extra data"),
    Column("source", "source", cites="source"),
)


class Published(TableSection):
    """The table and plot that compare published numbers with ours."""

    name = "published"
    heading = "Measured and published"
    order = 90
    caption = "measured and published"

    def collect(self) -> pd.DataFrame:
        """Return the published rows of the unchanged networks in the summary."""
        summary = self.content.summary
        rows = [
            _row(ours, row, MIOU.get((ours["dataset"], ours["split"])))
            for ours in rows_of(summary[summary["variant"] == DEFAULT])
            for row in published_rows(ours["network"])
        ]
        keys = [*(column.key for column in COLUMNS), "_accuracy", "_complexity", "_latency_0"]
        frame = pd.DataFrame(rows, columns=keys)
        for key in ("miou_percent", "published_miou_percent", "published_params_m", "fps_0", "published_fps"):
            frame[key] = frame[key].astype("float64")
        return frame

    def columns(self) -> Sequence[Column]:
        """Return columns in which each of our numbers is followed by the published one."""
        return COLUMNS

    def notes(self) -> Iterable[str]:
        """Say under which conditions the numbers were obtained."""
        yield (
            "Published numbers are taken from their sources and were obtained with other recipes, sizes and "
            "machines; empty cells are unknown."
        )
        yield "Our numbers were measured under the conditions that the summary names."

    def plots(self) -> list[Plot]:
        """Plot measured over published mIoU."""
        return plot_published(self.frame, self.content.title, self.content.looks)


def _row(ours: Mapping[str, Any], row: Mapping[str, str], column: str | None) -> dict[str, Any]:
    keys = ("network", "dataset", "split", "miou_percent", "params", "macs", "macs_shape")
    sources = ("fps_0", "_accuracy", "_complexity", "_latency_0")
    return {
        **{key: ours[key] for key in keys},
        **{key: ours[key] for key in sources if key in ours},
        "published_as": row["network"],
        "published_miou_percent": _number(row[column]) if column else None,
        "published_miou_at": size_of(row, column) if column and row[column] else None,
        "published_params_m": _number(row["params_m"]),
        "published_flops_g": _number(row["flops_g"]),
        "published_flops_at": row["flops_at"] or None,
        "published_fps": _number(row["fps"]),
        "published_fps_gpu": row["fps_gpu"] or None,
        "published_fps_at": row["fps_at"] or None,
        "extra_data": row["extra_data"] or None,
        "source": row["source"],
    }


def _number(text: str) -> float | None:
    return float(text) if text else None


def plot_published(published: pd.DataFrame, title: str, looks: Looks) -> list[Plot]:
    """Plot measured against published mIoU, for networks with both on the same dataset and split.

    Args:
        published: frame of :class:`Published`.
        title: title of the report.
        looks: colours of the networks.
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
    for px, py, row in zip(x, y, rows, strict=True):
        axes.plot(
            px, py, linestyle="none", markersize=MARKER_SIZE, **looks.of({**row, "variant": DEFAULT}).point()
        )
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_aspect("equal")
    axes.set_xlabel("published mean IoU (%)")
    axes.set_ylabel("measured mean IoU (%)")
    set_title(figure, f"{title}\nmeasured against published")
    axes.grid(alpha=0.3)
    set_note(figure, ["published numbers have their own recipes and input sizes", "dashed: equal"])
    sizes = [row["published_miou_at"] for row in rows]
    names = [
        f"{row['published_as']}, {row['dataset']} {row['split']}" + (f", {size}" if size else "")
        for row, size in zip(rows, sizes, strict=True)
    ]
    label_points(axes, x, y, names, MARKER_SIZE)
    return [Plot("published", figure)]
