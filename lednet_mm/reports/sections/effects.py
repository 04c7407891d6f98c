"""The main effects of networks and recipes, and their interaction, in studies that cross the two."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from lednet_mm import effects
from lednet_mm.reports.crossing import Crossing, find_crossings
from lednet_mm.reports.drawing import Looks, Plot, label, set_note, set_title
from lednet_mm.reports.sections.section import TableSection
from lednet_mm.reports.tables import Column, is_missing, names
from lednet_mm.statistics import LEVEL, sample_std


class Effects(TableSection):
    """The table of the effects of networks and recipes, and the plots of their interactions."""

    name = "effects"
    heading = "Network or recipe"
    order = 46
    caption = "effects of network and recipe"

    def collect(self) -> pd.DataFrame:
        """Return the effect of every network and recipe, and the interaction of every pair of them."""
        return collect_effects(self.found[0])

    @cached_property
    def found(self) -> tuple[list[Crossing], list[str]]:
        """The crossings that were found, and remarks on what is crossed only in part."""
        evidence = self.content.evidence
        return find_crossings(self.content.runs, evidence.records, evidence.studies)

    def columns(self) -> Sequence[Column]:
        """Return columns that identify an effect, and columns with its size and interval."""
        return (
            *(names("study") if self.frame["study"].nunique(dropna=False) > 1 else ()),
            *names("dataset", "split"),
            Column("factor", "factor", always=True),
            Column("level", "level", always=True),
            Column("seeds", "seeds", ".0f", source="_accuracy"),
            Column("effect_points", "mIoU effect (points)", "+.2f", source="_accuracy"),
            Column(
                "low_points",
                f"{LEVEL:.0%} interval (points)",
                ".2f",
                show=lambda row: f"{row['low_points']:+.2f} to {row['high_points']:+.2f}",
                source="_accuracy",
                look="interval",
                extra=_drawn,
            ),
            Column("verdict", "result"),
        )

    def notes(self) -> Iterable[str]:
        """Explain the effects, and give each factor's share of the variation."""
        yield (
            "The effect of a network is its mean over the recipes minus the mean of all networks, and the "
            "effect of a recipe is its mean over the networks minus the mean of all recipes. The interaction "
            "is the rest of the mean of a pair after the mean of all pairs and both effects are subtracted. "
            "Every effect is computed for each seed, and the interval over the seeds is Student's: it allows "
            "for other seeds on the same images, but not for other images."
        )
        for crossing in self.found[0]:
            found = effects.effects(crossing.table.scores)
            tests = (
                ("the network", found.row_test),
                ("the recipe", found.column_test),
                ("their interaction", found.interaction_test),
            )
            shares = "; ".join(f"{name} {_share(test)}" for name, test in tests)
            yield f"{crossing.place}: of the variation between the means of the pairs, {shares}."

    def plots(self) -> list[Plot]:
        """Plot the mean mIoU of every pair of a network and a recipe."""
        return plot_interactions(self.found[0], self.content.title, self.content.looks)

    def remarks(self) -> Sequence[str]:
        """Return lines on what a study crosses only in part."""
        return self.found[1]


def _share(test: effects.FactorTest) -> str:
    share = "has no share" if test.share is None else f"explains {100 * test.share:.1f}%"
    if test.f is None:
        return share
    return f"{share} (F({test.degrees[0]}, {test.degrees[1]}) = {test.f:.2f}, p = {test.p:.2g})"


def _drawn(row: Mapping[str, Any]) -> list[Any] | None:
    """Return the interval that the page draws: the middle, both ends, and that it is not dotted."""
    ends = [row[f"{name}_points"] for name in ("effect", "low", "high")]
    return None if any(map(is_missing, ends)) else [*(float(f"{end:.6g}") for end in ends), False]


def collect_effects(crossings: Iterable[Crossing]) -> pd.DataFrame:
    """Return one row for each network, each recipe, and each pair of both.

    Args:
        crossings: crossings of networks and recipes.

    Returns:
        A table with the columns ``study``, ``dataset``, ``split``, ``factor``, ``level``, ``seeds``,
        ``effect_points``, ``low_points`` and ``high_points`` (None with one seed), ``verdict``, and
        ``_accuracy``, which has the names of the records.
    """
    rows: list[dict[str, Any]] = []
    for crossing in crossings:
        table, found = crossing.table, effects.effects(crossing.table.scores)
        levels = [("network", name, estimate) for name, estimate in zip(table.rows, found.rows, strict=True)]
        levels += [
            ("recipe", name, estimate) for name, estimate in zip(table.columns, found.columns, strict=True)
        ]
        levels += [
            ("interaction", f"{row} with {column}", found.interaction[i][j])
            for i, row in enumerate(table.rows)
            for j, column in enumerate(table.columns)
        ]
        for factor, level, estimate in levels:
            rows.append(
                {
                    **{"study": crossing.study, "dataset": crossing.dataset, "split": crossing.split},
                    **{"factor": factor, "level": level, "seeds": len(table.seeds)},
                    "effect_points": estimate.value,
                    **{"low_points": estimate.low, "high_points": estimate.high},
                    "verdict": _verdict(estimate),
                    "_accuracy": list(crossing.records),
                }
            )
    columns = ["study", "dataset", "split", "factor", "level", "seeds", "effect_points"]
    return pd.DataFrame(rows, columns=[*columns, "low_points", "high_points", "verdict", "_accuracy"])


def _verdict(estimate: effects.Estimate) -> str:
    if estimate.low is None:
        return "one seed says nothing about others"
    if not estimate.is_resolved:
        return "not resolved"
    return "above zero" if estimate.value > 0 else "below zero"


def plot_interactions(crossings: Iterable[Crossing], title: str, looks: Looks) -> list[Plot]:
    """Plot the mIoU of every network over the recipes; without interaction, the lines are parallel.

    Args:
        crossings: crossings of networks and recipes.
        title: title of the report.
        looks: colours of the networks.
    """
    plots = []
    for crossing in crossings:
        table = crossing.table
        figure = Figure(figsize=(2.4 + 1.5 * len(table.columns), 4.4), layout="constrained")
        axes = figure.add_subplot()
        for name, identity, scores in zip(table.rows, crossing.networks, table.scores, strict=True):
            look = looks.of(dict(zip(("network", "variant"), identity, strict=True)))
            std = sample_std(scores) if len(table.seeds) > 1 else None
            axes.errorbar(
                range(len(table.columns)),
                scores.mean(-1),
                yerr=std,
                capsize=2,
                linewidth=1.2,
                label=label(name),
                **look.line(),
            )
        axes.set_xticks(range(len(table.columns)), [label(name) for name in table.columns], fontsize=8)
        axes.margins(x=0.15)
        axes.set_xlabel("recipe")
        axes.set_ylabel("mean IoU (%)")
        axes.legend(fontsize=8)
        axes.grid(alpha=0.3)
        set_title(figure, f"{title}\nnetworks and recipes: {crossing.place}")
        notes = ["parallel lines: no interaction"]
        set_note(figure, [*notes, "bars: standard deviation over seeds"] if len(table.seeds) > 1 else notes)
        plots.append(Plot(f"effects{crossing.ending}", figure))
    return plots
