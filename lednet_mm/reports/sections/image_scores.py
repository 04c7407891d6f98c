"""Scores in which all images have the same weight, from the confusion matrices in the records.

The scores are mIoU-I, mIoU-C and the score of the worst images, see :mod:`lednet_mm.statistics`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lednet_mm.reports.baselines import paired_records
from lednet_mm.reports.differences import Differences
from lednet_mm.reports.sections.section import TableSection
from lednet_mm.reports.summary import with_spread
from lednet_mm.reports.tables import Column, names, rows_of
from lednet_mm.statistics import SCORES, sample_std

PLACE = ["study", "dataset", "split", "network", "variant"]
HEADERS = dict(zip(SCORES, ("mIoU", "mIoU-I", "mIoU-C", "worst 5%"), strict=True))


class ImageScores(TableSection):
    """The table of every network's scores by image, and of its rank."""

    name = "image_scores"
    heading = "Scores by image, and ranks"
    order = 35
    caption = "scores by image"

    def collect(self) -> pd.DataFrame:
        """Return the scores and the rank of every network and variant."""
        return score_networks(self.content.summary, self.content.differences)

    def columns(self) -> Sequence[Column]:
        """Return columns with the scores over seeds, followed by the rank."""
        return (
            *(names("study") if self.frame["study"].nunique(dropna=False) > 1 else ()),
            *names("network", "variant", "dataset", "split"),
            Column("seeds", "seeds", ".0f", source="_accuracy"),
            *(
                Column(score, f"{header} (%)", ".2f", show=_spread(score), source="_accuracy")
                for score, header in HEADERS.items()
            ),
            Column("rank", "rank", ".1f", show=_rank, source="_accuracy"),
            Column("first_percent", "first (%)", ".0f", source="_accuracy"),
        )

    def notes(self) -> Iterable[str]:
        """Explain the scores and the rank."""
        yield (
            "mIoU is computed from all pixels of the split together. mIoU-I is the mean over images of the "
            "mean IoU of the classes in their truth, mIoU-C is the mean over classes of the mean over the "
            "images that show them, and worst 5% is the mean of mIoU-I over the worst images "
            "(arXiv:2310.19252). ± is the standard deviation over seeds."
        )
        yield (
            "The rank is that of the mIoU on the seeds that all networks have, with a 95% interval over "
            "seeds and images; first is the share of the resamples in which the network is the best."
        )


class ImageScoreDifferences(TableSection):
    """The table of the differences of every score to the baselines."""

    name = "image_score_differences"
    heading = "Differences by image"
    order = 36
    caption = "differences by image"

    def collect(self) -> pd.DataFrame:
        """Return the differences of every network and variant to its baselines."""
        return compare_scores(self.content.against_baselines, self.content.differences)

    def columns(self) -> Sequence[Column]:
        """Return columns that identify the comparison, and one column for each score."""
        return (
            *(names("study") if self.frame["study"].nunique(dropna=False) > 1 else ()),
            *names("network", "variant", "dataset", "split"),
            Column("baseline", "compared with"),
            Column("seeds", "seeds", ".0f", source="_accuracy"),
            *(
                Column(
                    f"{score}_difference",
                    f"{header} (points)",
                    ".2f",
                    show=_points(score),
                    source="_accuracy",
                )
                for score, header in HEADERS.items()
            ),
        )

    def notes(self) -> Iterable[str]:
        """Describe how the intervals are computed."""
        yield (
            "Differences to the baseline with 95% intervals, which are computed like those of the mIoU in "
            "the table above."
        )


def score_networks(summary: pd.DataFrame, differences: Differences) -> pd.DataFrame:
    """Return the scores of each network over its seeds, and its rank among those tested on the same images.

    Args:
        summary: result of :func:`lednet_mm.reports.summary.summarise_runs`.
        differences: object that computes all of :data:`lednet_mm.statistics.SCORES` and the ranks.

    Returns:
        One row for each row of the summary whose records have matrices, with the columns of ``PLACE``,
        ``seeds``, and each score with its standard deviation ``<score>_std``. If all networks of the study,
        dataset and split can be ranked by mIoU, ``rank``, ``rank_low``, ``rank_high`` and ``first_percent``
        have values too.
    """
    rows: list[dict[str, Any]] = []
    groups: dict[tuple, list[tuple[dict[str, Any], Mapping[int | None, str]]]] = {}
    differences.prepare(name for row in rows_of(summary) for name in row["_accuracy"])
    for row in rows_of(summary):
        found = [differences.scores(name) for name in row["_accuracy"]]
        known = [scores for scores in found if scores is not None]
        if not known:
            continue
        new: dict[str, Any] = {key: row[key] for key in PLACE}
        new |= {"seeds": len(known), "_accuracy": row["_accuracy"]}
        for score in SCORES:
            values = np.array([scores[score] for scores in known])
            new |= {score: float(values.mean()), f"{score}_std": float(sample_std(values))}
        rows.append(new)
        groups.setdefault(tuple(row[key] for key in PLACE[:3]), []).append((new, row["_seeds"]))
    for group in groups.values():
        ranks = differences.rank([seeds for _, seeds in group]) if len(group) > 1 else None
        for (row, _), rank in zip(group, ranks or (), strict=False):
            row |= {"rank": rank.rank, "rank_low": rank.low, "rank_high": rank.high}
            row["first_percent"] = 100 * rank.first
    columns = [*PLACE, "seeds", *(c for score in SCORES for c in (score, f"{score}_std"))]
    columns += ["rank", "rank_low", "rank_high", "first_percent", "_accuracy"]
    return pd.DataFrame(rows, columns=columns)


def _spread(score: str) -> Any:
    return lambda row: with_spread(row[score], row[f"{score}_std"])


def _rank(row: Mapping[str, Any]) -> str:
    return f"{row['rank']:g} ({row['rank_low']:g} to {row['rank_high']:g})"


def compare_scores(ablation: pd.DataFrame, differences: Differences) -> pd.DataFrame:
    """Return the differences of every score to the baselines, with intervals.

    Args:
        ablation: result of :func:`lednet_mm.reports.baselines.compare_with_baselines`.
        differences: object that computes the differences.

    Returns:
        One row for each row of the ablation that has a difference, with the columns of ``PLACE``,
        ``baseline``, ``seeds``, and ``<score>_difference``, ``<score>_low`` and ``<score>_high`` for each
        score, in percentage points.
    """
    rows = []
    for row in rows_of(ablation.dropna(subset=["difference_points"])):
        variant, baseline = paired_records(row["_accuracy"])
        new = {key: row[key] for key in (*PLACE, "baseline", "seeds")}
        new["_accuracy"] = row["_accuracy"]
        for score in SCORES:
            if interval := differences.between(variant, baseline, score).interval:
                new |= {f"{score}_difference": interval.difference}
                new |= {f"{score}_low": interval.low, f"{score}_high": interval.high}
        rows.append(new)
    columns = [*PLACE, "baseline", "seeds"]
    columns += [f"{score}_{end}" for score in SCORES for end in ("difference", "low", "high")]
    return pd.DataFrame(rows, columns=[*columns, "_accuracy"])


def _points(score: str) -> Any:
    return lambda row: (
        f"{row[f'{score}_difference']:+.2f} ({row[f'{score}_low']:+.2f} to {row[f'{score}_high']:+.2f})"
    )
