"""The table of all runs. The page does not show it, because the sources of its summary name every run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from lednet_mm.reports.latencies import show_fps
from lednet_mm.reports.sections.section import TableSection
from lednet_mm.reports.tables import Column, names


class Runs(TableSection):
    """The table with one row for each run."""

    name = "comparison"
    heading = "Runs"
    order = 110
    on_page = False

    def collect(self) -> pd.DataFrame:
        """Return the runs and the names of their records."""
        table = self.content.runs.copy()
        for kind in ("accuracy", "train", "complexity", "latency"):
            table[f"_{kind}"] = [[name] if isinstance(name, str) else [] for name in table[f"{kind}_record"]]
        table["_unstable"] = table["unstable"].map({True: "unstable"})
        table["_miou_val"] = table["miou_val_percent"].where(table["split"] != "val")
        return table

    def columns(self) -> Sequence[Column]:
        """Return columns that identify the run, and columns with its accuracy, size and speed."""
        return (
            *names("study", "network", "variant", "dataset", "seed", "split"),
            Column("miou_percent", "mIoU (%)", ".2f", source="_accuracy"),
            Column("_miou_val", "mIoU on val (%)", ".2f"),
            Column("category_iou_percent", "category IoU (%)", ".2f", source="_accuracy"),
            Column("pixel_accuracy_percent", "pixel accuracy (%)", ".2f", source="_accuracy"),
            Column("iterations", "iterations", ".0f", source="_train"),
            Column("params", "parameters (M)", ".3f", 1e6, source="_complexity"),
            Column("macs", "MACs (G)", ".2f", 1e9, source="_complexity"),
            Column("fps_p50", "FPS (p50)", ".1f", show=show_fps, source="_latency"),
            Column("latency_ms_p99", "latency p99 (ms)", ".1f", source="_latency"),
            Column("peak_memory_bytes", "peak memory (MiB)", ".0f", 2**20, source="_latency"),
            Column("_unstable", "unstable"),
            *(names("recipe") if self.frame["recipe"].nunique() > 1 else ()),
        )

    def notes(self) -> Iterable[str]:
        """Describe how the numbers were measured, and what was left out."""
        return self.content.notes_on_runs
