"""The number of seeds that a study needs for a desired width of its intervals, from its present records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lednet_mm.errors import InputError
from lednet_mm.reports.baselines import paired_records
from lednet_mm.reports.content import Content
from lednet_mm.reports.differences import Differences
from lednet_mm.reports.reading import read_evidence
from lednet_mm.reports.tables import Column, Table, rows_of

KEYS = ["study", "dataset", "split", "network", "variant", "baseline", "seeds"]


def estimate_power(ablation: pd.DataFrame, differences: Differences, wished: float) -> pd.DataFrame:
    """Return how many seeds each difference to a baseline needs.

    Args:
        ablation: result of :func:`lednet_mm.reports.baselines.compare_with_baselines`.
        differences: object that computes the differences.
        wished: desired half-width of the 95% interval in percentage points.

    Returns:
        One row for each row of the ablation that has a difference, with the columns of ``KEYS``;
        ``difference_points``; ``half_width_points``, the present half-width; ``seeds_needed``, which is
        missing if no number is enough or if it cannot be estimated; ``limit_points``, the half-width that
        remains with any number of seeds because of the images; and ``why`` there is no number.
    """
    rows = []
    for row in rows_of(ablation.dropna(subset=["difference_points"])):
        power = differences.power(*paired_records(row["_accuracy"]), wished)
        assert power is not None  # the row has an interval
        new = {key: row[key] for key in (*KEYS, "difference_points", "_accuracy")}
        new |= {"half_width_points": power.half_width, "seeds_needed": power.seeds}
        new["limit_points"] = power.limit
        if power.seeds is None:
            new["why"] = "one seed says nothing of others" if row["seeds"] < 2 else "the images allow no less"
            if row["seeds"] > 1 and power.limit < wished:
                new["why"] = "more than 1000"
        rows.append(new)
    columns = [*KEYS, "difference_points", "half_width_points", "seeds_needed", "limit_points", "why"]
    frame = pd.DataFrame(rows, columns=[*columns, "_accuracy"])
    frame["seeds_needed"] = frame["seeds_needed"].astype("Int64")
    return frame


def power_table(frame: pd.DataFrame, title: str, wished: float) -> Table:
    """Make the table of needed seeds.

    Args:
        frame: result of :func:`estimate_power`.
        title: title of the study.
        wished: desired half-width in percentage points.
    """
    signed = {"form": ".2f", "show": lambda row: f"{row['difference_points']:+.2f}"}
    columns = (
        *(Column(name, name) for name in ("network", "variant", "dataset", "split")),
        Column("baseline", "compared with"),
        Column("seeds", "seeds", ".0f"),
        Column("difference_points", "mIoU difference (points)", **signed),  # type: ignore[arg-type]
        Column("half_width_points", "± now (points)", ".2f"),
        Column("seeds_needed", f"seeds for ± {wished:g}", ".0f"),
        Column("limit_points", "± with any number of seeds", ".2f"),
        Column("why", "why none"),
    )
    notes = (
        "Few seeds tell their own spread roughly: from three, the number may be off by a factor of four.",
        "More images make narrower what more seeds cannot.",
    )
    return Table("power", f"{title}: seeds for a half-width of {wished:g} points", columns, frame, notes)


def plan_seeds(folders: Sequence[str | Path], wished: float) -> Table:
    """Read a study's records and return how many seeds its differences need.

    Args:
        folders: folders of the study.
        wished: desired half-width in percentage points, above 0 and at most 100.

    Raises:
        InputError: a folder does not exist, there is no record, or the half-width is out of range.
    """
    if not 0 < wished <= 100:
        raise InputError(f"a half-width of {wished:g} points: give a number above 0 and at most 100")
    content = Content(read_evidence(folders))
    return power_table(
        estimate_power(content.against_baselines, content.differences, wished), content.title, wished
    )
