"""Plots, colour-blind safe and readable in print, each as PNG and SVG."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from lednet_mm.reports.comparison import Comparison

# Okabe and Ito's colours (2008), distinguishable with every kind of colour vision.
COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X"]


def save(figure: Figure, path: Path) -> list[Path]:
    """Write a figure as PNG and SVG; the same figure gives the same bytes."""
    paths = [path.with_suffix(".png"), path.with_suffix(".svg")]
    with mpl.rc_context({"svg.hashsalt": "lednet-mm", "svg.fonttype": "none"}):
        figure.savefig(paths[0], dpi=150, bbox_inches="tight", metadata={"Software": None})
        figure.savefig(paths[1], bbox_inches="tight", metadata={"Date": None})
    return paths


def plot_accuracy_over_speed(comparison: Comparison, title: str) -> Figure | None:
    """Plot mIoU over FPS, one point for each network and variant, with its spread over seeds.

    Returns:
        The figure; None where no run has both numbers.
    """
    table = comparison.table.dropna(subset=["miou_percent", "fps_p50"])
    if table.empty:
        return None
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for i, ((dataset, network, variant), runs) in enumerate(table.groupby(["dataset", "network", "variant"])):
        miou = runs["miou_percent"]
        label = network if variant == "baseline" else f"{network}, {variant.replace('_', ' ')}"
        if table["dataset"].nunique() > 1:
            label += f" ({dataset})"
        axes.errorbar(
            runs["fps_p50"].iloc[0],
            miou.mean(),
            yerr=None if len(miou) < 2 else miou.std(),
            fmt=MARKERS[i % len(MARKERS)],
            color=COLORS[i % len(COLORS)],
            markersize=8,
            capsize=3,
            label=label if pd.notna(miou.mean()) else None,
        )
    axes.set_xlabel("speed (frames per second, median)")
    axes.set_ylabel("mean IoU (%)")
    axes.set_title(f"{title}\n{comparison.condition}", fontsize=9)
    axes.margins(0.12)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize=9, frameon=False)
    return figure
