"""Main effects and interaction of two factors, such as networks and recipes, with paired intervals.

A study that trains every network with every recipe on the same seeds asks how much of a difference comes from
the network, how much from the recipe, and whether a recipe helps some networks more than others. Its scores
form a table with a cell for each pair of levels and each seed. All cells with the same seed use the same data
order and augmentation, so a seed is a block: every contrast is computed within each seed, and its interval
depends only on its variation between seeds. This is the analysis of a randomised complete block design
(Montgomery, Design and Analysis of Experiments, chapters 4 and 5), with a separate error term for each
contrast, as for repeated measures, so that cells may have different variances.

The intervals describe the variation over seeds on the same images.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


@dataclass(frozen=True)
class Estimate:
    """The estimate of one contrast.

    Attributes:
        value: mean over the seeds, in the unit of the scores.
        low: lower end of the interval; None with one seed, which gives no interval.
        high: upper end of the interval; None with one seed.
        p: probability of a mean at least this far from 0 if there is no effect; None with one seed.
    """

    value: float
    low: float | None
    high: float | None
    p: float | None

    @property
    def is_resolved(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


@dataclass(frozen=True)
class FactorTest:
    """The test whether the levels of a factor differ at all, or whether there is any interaction.

    Attributes:
        share: share of the variation between the cells' means that it explains, 0 to 1; the shares of both
            factors and of the interaction add up to 1. None if all cells have the same mean.
        f: ratio of its mean square to the mean square of its own interaction with the seeds; None with one
            seed, or if the latter is 0.
        degrees: degrees of freedom of the numerator and the denominator.
        p: probability of at least this ratio if there is no effect; None whenever ``f`` is.
    """

    share: float | None
    f: float | None
    degrees: tuple[int, int]
    p: float | None


@dataclass(frozen=True)
class Effects:
    """The effects of two factors on a score.

    Attributes:
        rows: effect of each level of the first factor: its mean over the second factor minus the mean over
            all levels.
        columns: the same for the second factor.
        interaction: ``interaction[i][j]`` is the rest of a cell's mean after the mean over all cells and both
            main effects are subtracted.
        row_test: test of the first factor.
        column_test: test of the second factor.
        interaction_test: test of the interaction.
    """

    rows: tuple[Estimate, ...]
    columns: tuple[Estimate, ...]
    interaction: tuple[tuple[Estimate, ...], ...]
    row_test: FactorTest
    column_test: FactorTest
    interaction_test: FactorTest


@dataclass(frozen=True)
class Table:
    """Scores of a study that crosses two factors.

    Attributes:
        rows: names of the levels of the first factor.
        columns: names of the levels of the second factor.
        seeds: seeds that every cell has.
        scores: (R, C, S) scores in the order of these lists.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    seeds: tuple[int, ...]
    scores: np.ndarray


def cross(scores: Mapping[tuple[str, str], Mapping[int, float]]) -> Table:
    """Arrange the scores of runs by two factors, with the seeds that all cells have.

    Args:
        scores: (level of the first factor, level of the second factor) -> seed -> score.

    Raises:
        ValueError: a factor has fewer than two levels, a cell has no runs (the message names it), or no seed
            is in all cells.
    """
    rows = tuple(dict.fromkeys(row for row, _ in scores))
    columns = tuple(dict.fromkeys(column for _, column in scores))
    if len(rows) < 2 or len(columns) < 2:
        raise ValueError(f"{len(rows)} by {len(columns)} levels: two of each factor are needed")
    for row in rows:
        for column in columns:
            if not scores.get((row, column)):
                raise ValueError(f"no run of {row} with {column}")
    seeds = tuple(sorted(set.intersection(*(set(cell) for cell in scores.values()))))
    if not seeds:
        raise ValueError("no seed that every combination was trained with")
    table = [[[scores[row, column][seed] for seed in seeds] for column in columns] for row in rows]
    return Table(rows, columns, seeds, np.array(table, dtype=np.float64))


def effects(scores: ArrayLike, level: float = 0.95) -> Effects:
    """Return the main effects and the interaction of two factors.

    Args:
        scores: (R, C, S) scores of R levels of the first factor (networks), C levels of the second (recipes)
            and S seeds, which are the same in every cell.
        level: level of the intervals.

    Raises:
        ValueError: a factor has fewer than two levels, there is no seed, or a score is missing or not finite.
    """
    table = _checked(scores)
    rows, columns, _ = table.shape
    of_rows, of_columns, of_both = _contrasts(table)
    between = {
        "rows": columns * np.square(of_rows.mean(-1)).sum(),
        "columns": rows * np.square(of_columns.mean(-1)).sum(),
        "both": np.square(of_both.mean(-1)).sum(),
    }
    whole = sum(between.values())
    # Means that differ only by rounding have no share.
    shares = {
        name: float(part / whole) if whole > np.square(1e-12 * np.abs(table).max()) * table.size else None
        for name, part in between.items()
    }
    return Effects(
        tuple(_estimate(values, level) for values in of_rows),
        tuple(_estimate(values, level) for values in of_columns),
        tuple(tuple(_estimate(values, level) for values in row) for row in of_both),
        _test(of_rows, rows - 1, shares["rows"]),
        _test(of_columns, columns - 1, shares["columns"]),
        _test(of_both, (rows - 1) * (columns - 1), shares["both"]),
    )


def difference(scores: ArrayLike, one: int, other: int, level: float = 0.95) -> Estimate:
    """Return the main effect of one level of the first factor minus that of another, paired by seed.

    Args:
        scores: as for :func:`effects`; with the first two axes swapped, the second factor is compared.
        one: index of a level.
        other: index of the level that is subtracted.
        level: level of the interval.

    Raises:
        ValueError: as for :func:`effects`.
    """
    table = _checked(scores)
    return _estimate(table[one].mean(0) - table[other].mean(0), level)


def _checked(scores: ArrayLike) -> np.ndarray:
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 3 or table.shape[0] < 2 or table.shape[1] < 2 or table.shape[2] < 1:
        raise ValueError(
            f"scores have the shape {table.shape}: (R, C, S) needs two levels of each factor and a seed"
        )
    if not np.isfinite(table).all():
        raise ValueError("a score is missing or not finite: every cell needs every seed")
    return table


def _contrasts(table: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the effects within each seed: (R, S), (C, S) and (R, C, S)."""
    grand = table.mean((0, 1), keepdims=True)
    of_rows = table.mean(1, keepdims=True) - grand
    of_columns = table.mean(0, keepdims=True) - grand
    return of_rows[:, 0], of_columns[0], table - grand - of_rows - of_columns


def _estimate(values: np.ndarray, level: float) -> Estimate:
    """Return the mean of a contrast over the seeds with Student's t interval."""
    seeds, mean = len(values), float(values.mean())
    if seeds < 2:
        return Estimate(mean, None, None, None)
    error = float(values.std(ddof=1)) / math.sqrt(seeds)
    half = float(stats.t.ppf((1 + level) / 2, seeds - 1)) * error
    without_noise = 0.0 if mean else 1.0
    p = float(2 * stats.t.sf(abs(mean) / error, seeds - 1)) if error else without_noise
    return Estimate(mean, mean - half, mean + half, p)


def _test(contrasts: np.ndarray, freedom: int, share: float | None) -> FactorTest:
    """Return the F test of contrasts (..., S) against their variation between seeds."""
    seeds = contrasts.shape[-1]
    degrees = freedom, freedom * (seeds - 1)
    means = contrasts.mean(-1, keepdims=True)
    within = float(np.square(contrasts - means).sum())
    if seeds < 2 or within == 0:
        return FactorTest(share, None, degrees, None)
    f = float(seeds * np.square(means).sum() / degrees[0] / (within / degrees[1]))
    return FactorTest(share, f, degrees, float(stats.f.sf(f, *degrees)))
