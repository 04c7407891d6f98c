"""Finds the networks that a study trained with the same recipes on the same seeds."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import pandas as pd

from lednet_mm.catalog import COMMON
from lednet_mm.effects import Table, cross
from lednet_mm.records import Record
from lednet_mm.reports.drawing import places
from lednet_mm.reports.reading import StudyFacts
from lednet_mm.reports.runs import record_name
from lednet_mm.reports.summary import network_name
from lednet_mm.reports.tables import is_missing, rows_of
from lednet_mm.text import DEFAULT

LINE = re.compile(r"^recipe = (.{1,200})$", re.MULTILINE)


@dataclass(frozen=True)
class Crossing:
    """Networks crossed with recipes, on one dataset and split.

    Attributes:
        study: its name, if any.
        dataset: its name.
        split: that the mIoU is of.
        place: the three in words.
        ending: of the names of its files.
        networks: network and variant of each row of the table.
        table: the mIoU in percent of networks, recipes and seeds.
        records: names of the accuracies.
    """

    study: str | None
    dataset: str
    split: str
    place: str
    ending: str
    networks: tuple[tuple[str, str], ...]
    table: Table
    records: tuple[str, ...]


def recipe_name(record: Record, study: StudyFacts | None) -> str | None:
    """Return the name of the recipe that a run was trained with; None where nobody says it.

    Its config says it, and of configs of earlier versions the study that planned the run.
    """
    if found := LINE.search(record.config.text):
        try:
            name = ast.literal_eval(found[1])
        except (ValueError, SyntaxError):
            return None
        return name if isinstance(name, str) else None
    for run in study.runs if study else ():
        if (run.network, run.dataset, run.variant, run.seed) == (
            *(record.run.network, record.run.dataset, record.run.variant, record.run.seed),
        ):
            return study.recipes.get(run.folder) if study else None
    return None


def variant_without(recipe: str, variant: str) -> str:
    """Return the variant of the network alone, see :func:`lednet_mm.config.run_of`."""
    if recipe == COMMON:
        return variant
    return DEFAULT if variant == recipe else variant.removesuffix(f"+{recipe}")


Cells = dict[tuple[str, str], dict[str, dict[int, tuple[float, str]]]]
"""(Network, variant) -> recipe -> seed -> mIoU in percent and the name of its record."""


def find_crossings(
    runs: pd.DataFrame, records: Iterable[Record], studies: Mapping[str, StudyFacts]
) -> tuple[list[Crossing], list[str]]:
    """Find the networks that were trained with the same recipes, at least two of each.

    Of a dataset it is the largest such block; networks with one recipe, and recipes of one network, do not
    belong to it.

    Args:
        runs: see :func:`lednet_mm.reports.joining.join_runs`.
        records: of any kinds, with those that the runs name.
        studies: name -> study.

    Returns:
        The crossings, and one line for each that has no seed in common.
    """
    # Most reports have one recipe alone.
    by_name = {record_name(record): record for record in records if record.kind == "accuracy"}
    crossings, remarks = [], []
    for ending, place, rows in places(runs.dropna(subset=["miou_percent"])):
        cells: Cells = {}
        for row in rows_of(rows):
            record = by_name[row["accuracy_record"]]
            recipe = recipe_name(record, studies.get(record.run.study or ""))
            if recipe is None or is_missing(row["seed"]):
                continue
            network = row["network"], variant_without(recipe, row["variant"])
            seeds = cells.setdefault(network, {}).setdefault(recipe, {})
            seeds[int(row["seed"])] = float(row["miou_percent"]), row["accuracy_record"]
        networks, recipes = _largest_block(cells)
        if not networks:
            continue
        scores = {
            (_name(network), recipe): {seed: miou for seed, (miou, _) in cells[network][recipe].items()}
            for network in networks
            for recipe in recipes
        }
        try:
            table = cross(scores)
        except ValueError as error:
            remarks.append(f"{place}: effects of network and recipe: {error}")
            continue
        used = tuple(cells[n][r][seed][1] for n in networks for r in recipes for seed in table.seeds)
        first = by_name[used[0]]
        split = str(rows["split"].iloc[0])
        crossings.append(
            Crossing(first.run.study, first.run.dataset, split, place, ending, tuple(networks), table, used)
        )
    return crossings, remarks


def _name(network: tuple[str, str]) -> str:
    return network_name(dict(zip(("network", "variant"), network, strict=True)))


def _largest_block(cells: Cells) -> tuple[Sequence[tuple[str, str]], Sequence[str]]:
    """Return networks that all have the same recipes: the most pairs, at least two of each, or nothing."""
    sets = {network: frozenset(recipes) for network, recipes in cells.items()}
    best: tuple[list[tuple[str, str]], list[str]] = [], []
    kinds = sorted(set(sets.values()), key=sorted)
    for common in {a & b: None for a, b in combinations_with_replacement(kinds, 2)}:
        networks = sorted(network for network, known in sets.items() if known >= common)
        if min(len(networks), len(common)) < 2:
            continue
        if len(networks) * len(common) > len(best[0]) * len(best[1]):
            best = networks, sorted(common, key=lambda recipe: (recipe != COMMON, recipe))
    return best
