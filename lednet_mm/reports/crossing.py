"""Find the networks that a study trained with the same recipes and the same seeds."""

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
        study: name of the study; None if there is none.
        dataset: name of the dataset.
        split: split on which the mIoU was measured.
        place: study, dataset and split in words.
        ending: ending of the names of the plot's files.
        networks: network and variant of each row of the table.
        table: mIoU in percent of every network, recipe and seed.
        records: names of the accuracy records.
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
    """Return the name of the recipe with which a run was trained; None if it is not known.

    It is in the run's config or, for configs of earlier versions, in the study that planned the run.
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
    """Return a variant's name without the recipe's, see :func:`lednet_mm.config.run_of`."""
    if recipe == COMMON:
        return variant
    return DEFAULT if variant == recipe else variant.removesuffix(f"+{recipe}")


Cells = dict[tuple[str, str], dict[str, dict[int, tuple[float, str]]]]
"""The mIoU in percent and the name of its record, by (network, variant), recipe and seed."""


def find_crossings(
    runs: pd.DataFrame, records: Iterable[Record], studies: Mapping[str, StudyFacts]
) -> tuple[list[Crossing], list[str]]:
    """Find at least two networks that were trained with the same recipes, of which there are at least two.

    For each dataset, this is the largest such group. Networks with a single recipe, and recipes with a single
    network, do not belong to it.

    Args:
        runs: result of :func:`lednet_mm.reports.joining.join_runs`.
        records: records of any kind, among them those that the runs name.
        studies: studies by their names.

    Returns:
        The crossings, and one line for each that cannot be used because its runs have no seed in common.
    """
    # Most reports have a single recipe.
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
    """Return the networks and recipes of the largest group in which every network has every recipe.

    There are at least two networks and two recipes in it, or none.
    """
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
