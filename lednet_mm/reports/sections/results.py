"""The results: one row for each network and variant, with its accuracy over seeds, its size and its speed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import pandas as pd

from lednet_mm.reports.latencies import Condition, fastest_resolved, short_names
from lednet_mm.reports.sections.section import TableSection
from lednet_mm.reports.summary import with_spread
from lednet_mm.reports.tables import Column, names
from lednet_mm.text import fps_text

MAX_CONDITIONS = 8
"""The largest number of conditions that have a column of their own; the table of latencies shows all."""


class Results(TableSection):
    """The table of the main results."""

    name = "summary"
    heading = "Results"
    order = 10

    def collect(self) -> pd.DataFrame:
        """Return the result of :func:`lednet_mm.reports.summary.summarise_runs`."""
        return self.content.summary

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions under which speeds have a column."""
        return self.content.latencies.conditions[:MAX_CONDITIONS]

    def columns(self) -> Sequence[Column]:
        """Return columns with our measurements, followed by published numbers."""
        speed = [
            Column(
                f"fps_{i}",
                f"FPS (p50){', ' * bool(name)}{name}",
                ".1f",
                show=_speed(i),
                source=f"_latency_{i}",
            )
            for i, name in enumerate(short_names(self.conditions))
        ]
        if speed:
            speed += [
                Column("latency_ms_p99_0", "latency p99 (ms)", ".1f", source="_latency_0"),
                Column("peak_memory_bytes_0", "peak memory (MiB)", ".0f", 2**20, source="_latency_0"),
            ]
        many = [name for name in ("study", "recipe") if self.frame[name].nunique(dropna=False) > 1]
        miou, fps = "_published_miou_source", "_published_fps_source"
        return (
            *(names("study") if "study" in many else ()),
            *names("network", "variant", "dataset", "split"),
            Column("seeds", "seeds", ".0f", source="_accuracy"),
            Column("miou_percent", "mIoU (%)", **_spread("miou_percent"), source="_accuracy"),
            Column("miou_low", "95% interval (%)", ".2f", show=_interval, source="_accuracy"),
            Column(
                "category_iou_percent",
                "category IoU (%)",
                **_spread("category_iou_percent"),
                source="_accuracy",
            ),
            Column("params", "parameters (M)", ".3f", 1e6, source="_complexity"),
            Column("macs", "MACs (G)", ".2f", 1e9, source="_complexity"),
            *speed,
            Column("published_miou_percent", "published mIoU (%)", ".1f", cites=miou),
            Column("published_miou_at", "published mIoU at", cites=miou),
            Column("published_fps", "published FPS", ".1f", cites=fps),
            Column("published_where", "published FPS on", cites=fps),
            *(names("recipe") if "recipe" in many else ()),
        )

    def notes(self) -> Iterable[str]:
        """Describe how the numbers were measured, and what is bold."""
        if self.frame["seeds"].gt(1).any():
            yield (
                "± is the standard deviation over n seeds (divisor n - 1). The interval is that of their "
                "mean by Student's t with n - 1 degrees of freedom. One seed has neither."
            )
        for condition, name in zip(self.conditions, short_names(self.conditions), strict=True):
            yield f"Speed{f' ({name})' if name else ''}: {condition}."
        content = self.content
        yield from (note for note in content.notes_on_runs if not note.startswith("Speed"))
        yield from (study.cost for study in content.evidence.studies.values() if study.cost)
        if self._best:
            yield (
                "Bold: the best for its dataset, split and recipe, if the 95% interval of its difference to "
                "the next best excludes zero (with one seed, the interval is over images alone)."
            )
        if self.frame["published_source"].notna().any():
            yield "Published numbers have their own recipes and machines; sources: published.csv."

    def best(self) -> Iterable[tuple[Hashable, str]]:
        """Return the best cell of each column if the difference to the next best is resolved."""
        return self._best

    @cached_property
    def _best(self) -> set[tuple[Hashable, str]]:
        frame, content = self.frame, self.content
        best: set[tuple[Hashable, str]] = set()
        for _, rows in frame.groupby(["study", "dataset", "split", "recipe"], dropna=False):
            ranked = rows[rows["seeds"] > 0].sort_values("miou_percent", ascending=False)
            if len(ranked) > 1:
                first, second = ranked["_seeds"].iloc[0], ranked["_seeds"].iloc[1]
                if content.differences.between(first, second).verdict.startswith("better"):
                    best.add((ranked.index[0], "miou_percent"))
        for _, rows in frame.groupby("dataset"):
            for name in ("params", "macs"):
                ordered = rows[name].dropna().sort_values()
                if len(ordered) > 1 and ordered.iloc[0] < ordered.iloc[1]:
                    best.add((ordered.index[0], name))
        for (condition, dataset), rows in content.latencies.frame.groupby(["condition", "dataset"]):
            if condition < len(self.conditions) and (label := fastest_resolved(rows)) is not None:
                fastest = rows.loc[label]
                same = (frame["dataset"] == dataset) & (frame["network"] == fastest["network"])
                for row in frame.index[same & (frame["variant"] == fastest["variant"])]:
                    best.add((row, f"fps_{condition}"))
        return best


def _spread(name: str) -> dict[str, Any]:
    return {"form": ".2f", "show": lambda row: with_spread(row[name], row[f"{name}_std"])}


def _speed(condition: int) -> Callable[[Mapping[str, Any]], str]:
    """Return a function that writes a speed, and says so if its measurement was unstable."""

    def show(row: Mapping[str, Any]) -> str:
        unstable = row[f"unstable_{condition}"] is True
        return f"{fps_text(row[f'fps_{condition}'])}{' (unstable)' if unstable else ''}"

    return show


def _interval(row: Mapping[str, Any]) -> str:
    return f"{row['miou_low']:.2f} to {row['miou_high']:.2f}"
