"""Learning curves: the validation mIoU over iterations, as mean and range over seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd
from matplotlib.figure import Figure

from lednet_mm.reports.drawing import Look, Looks, Plot, label, places, set_title
from lednet_mm.reports.parts import Part, Sources
from lednet_mm.reports.runs import KEY, ChosenRuns, record_name
from lednet_mm.reports.sections.section import Section
from lednet_mm.reports.summary import network_name

MAX_CURVES = 12
"""The largest number of curves in one plot; the page shows all of them."""


class Curves(Section):
    """The learning curves of all runs that were validated more than once."""

    name = "learning_curves"
    heading = "Learning curves"
    order = 50

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The points of all curves."""
        return learning_curves(self.content.chosen)

    @cached_property
    def groups(self) -> list[CurveGroup]:
        """The curves of each study and dataset that has any."""
        groups = [
            CurveGroup(ending, place, curves_of(rows, self.content.looks))
            for ending, place, rows in places(self.frame.assign(split="val"))
        ]
        return [group for group in groups if group.curves]

    def plots(self) -> list[Plot]:
        """Plot the best ``MAX_CURVES`` curves of each study and dataset."""
        return [plot_curves(group, self.content.title) for group in self.groups]

    def parts(self, sources: Sources) -> Sequence[Part]:
        """Return one part with all curves."""
        groups = []
        for group in self.groups:
            lines = [
                {
                    "name": curve.name,
                    "color": curve.look.color,
                    "marker": curve.look.marker,
                    "hollow": curve.look.is_variant,
                    "dashes": curve.look.dashes,
                    "points": [
                        [int(at), *(float(f"{miou:.6g}") for miou in miou)]
                        for at, *miou in curve.points[["iteration", "mean", "min", "max"]].to_numpy()
                    ],
                    "seeds": int(curve.points["size"].max()),
                    "sources": sources.numbers(curve.records),
                }
                for curve in group.curves
            ]
            groups.append({"name": group.place, "lines": lines})
        if not groups:
            return ()
        return [{"kind": "lines", "x": "iteration", "y": "mean IoU on val (%)", "groups": groups}]


@dataclass(frozen=True)
class Curve:
    """The learning curve of a network or variant.

    Attributes:
        name: name of the network and variant in legends.
        look: colour, marker and line of the network or variant.
        points: columns ``iteration``; ``mean``, ``min`` and ``max`` over seeds; and ``size``, the number of
            seeds.
        records: names of the records of the trainings.
    """

    name: str
    look: Look
    points: pd.DataFrame
    records: list[str]


@dataclass(frozen=True)
class CurveGroup:
    """The learning curves of a study on a dataset.

    Attributes:
        ending: ending of the name of the plot's file.
        place: study, dataset and split, in words.
        curves: the curves, the best first.
    """

    ending: str
    place: str
    curves: list[Curve]


def learning_curves(chosen: ChosenRuns) -> pd.DataFrame:
    """Return the validation mIoU of every run by iteration.

    A run that was resumed or trained longer has several training records. Their curves are merged; at
    iterations that several of them have, the longest training counts, and among equals the newest.

    Args:
        chosen: runs with the trainings that are shown.

    Returns:
        One row for each point, with the columns of ``KEY``, ``iteration``, ``miou_percent``, and ``_train``
        (the name of the record).
    """
    points: dict[tuple, tuple[float, str]] = {}
    for key, trainings in chosen.trainings.items():
        for record in trainings:
            for iteration, miou in record.details.get("validation_curve_miou_percent", []):
                points[(*key, iteration)] = miou, record_name(record)
    rows = [(*key, *point) for key, point in points.items() if point[0] is not None]
    frame = pd.DataFrame(rows, columns=[*KEY, "iteration", "miou_percent", "_train"])
    frame["seed"] = frame["seed"].astype("Int64")
    return frame.sort_values([*KEY, "iteration"], na_position="first", ignore_index=True)


def curves_of(rows: pd.DataFrame, looks: Looks) -> list[Curve]:
    """Return the curves of one study, dataset and split, sorted by their last values, the best first.

    Args:
        rows: rows of the result of :func:`learning_curves`; a network with a single point has no curve.
        looks: colours of the networks, and lines of the variants.
    """
    key = ["network", "variant"]
    points = rows.groupby([*key, "iteration"])["miou_percent"].agg(["mean", "min", "max", "size"])
    records = rows.groupby(key)["_train"].unique()

    def curves() -> Iterator[Curve]:
        for (network, variant), part in points.reset_index("iteration").groupby(level=key):
            if len(part) > 1:
                row = {"network": network, "variant": variant}
                trainings = list(records[network, variant])
                yield Curve(network_name(row), looks.of(row), part.reset_index(drop=True), trainings)

    return sorted(curves(), key=lambda curve: -curve.points["mean"].iloc[-1])


def plot_curves(group: CurveGroup, title: str) -> Plot:
    """Plot the validation mIoU over iterations, as the mean and the range over seeds.

    Args:
        group: curves of a study on a dataset; the best ``MAX_CURVES`` are drawn.
        title: title of the report.
    """
    figure = Figure(figsize=(7, 4.8), layout="constrained")
    axes = figure.add_subplot()
    for curve in group.curves[:MAX_CURVES]:
        points, style = curve.points, curve.look.line()
        axes.plot(
            points["iteration"],
            points["mean"],
            label=label(curve.name),
            markersize=5,
            linewidth=1.4,
            **style,
        )
        if points["size"].max() > 1:
            axes.fill_between(
                points["iteration"],
                points["min"],
                points["max"],
                alpha=0.12,
                color=curve.look.color,
                linewidth=0,
            )
    axes.set_xlabel("iteration")
    axes.set_ylabel("mean IoU on val (%)")
    total = len(group.curves)
    best = f"; the best {MAX_CURVES} of {total}" if total > MAX_CURVES else ""
    seeds = max(curve.points["size"].max() for curve in group.curves)
    band = "\nline: mean over seeds; band: from lowest to highest" if seeds > 1 else ""
    set_title(figure, f"{title}\n{group.place}{best}{band}")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", fontsize=8, frameon=False, ncols=3, handlelength=3.2)
    return Plot(f"learning_curves{group.ending}", figure)
