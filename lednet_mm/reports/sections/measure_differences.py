"""The differences in calibration, boundary IoU and robustness to the baselines, with intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pandas as pd

from lednet_mm.evaluation.corruptions import NAMES
from lednet_mm.reports.baselines import paired_records
from lednet_mm.reports.differences import describe_method
from lednet_mm.reports.measured import (
    CORRUPTED,
    RETENTION,
    MeasureDifferences,
    describe_corruptions,
)
from lednet_mm.reports.sections.section import TableSection
from lednet_mm.reports.tables import Column, names, rows_of

PLACE = ["study", "dataset", "split", "network", "variant", "baseline"]


class _Differences(TableSection):
    """A table of differences to the baselines, with one column for each measure."""

    headers: Mapping[str, str]

    def collect(self) -> pd.DataFrame:
        """Return the differences of every network and variant to its baselines."""
        measured = self.content.measured
        taken = MeasureDifferences(self.content.evidence, measured)
        # If nothing was measured, nothing is compared.
        ablation = self.content.against_baselines if measured else pd.DataFrame()
        return compare_measures(ablation, taken, self.headers)

    def columns(self) -> Sequence[Column]:
        """Return columns that identify the comparison, and one column for each measure."""
        return (
            *(names("study") if self.frame["study"].nunique(dropna=False) > 1 else ()),
            *names("network", "variant", "dataset", "split"),
            Column("baseline", "compared with"),
            *names("corruptions"),
            Column("seeds", "seeds", ".0f", source="_accuracy"),
            *(
                Column(
                    f"{name}_difference", f"{header} (points)", ".2f", show=_points(name), source="_accuracy"
                )
                for name, header in self.headers.items()
            ),
        )


class DifferencesOfMeasures(_Differences):
    """The table of the differences in every measure of which the records have values for each image."""

    name = "measure_differences"
    heading = "Differences of calibration, boundaries and robustness"
    order = 39
    caption = "differences of calibration, boundaries and robustness"
    headers = MappingProxyType(
        {"ece_percent": "ECE", "boundary_iou_percent": "boundary IoU", RETENTION: "retention"}
    )

    def notes(self) -> Iterable[str]:
        """Describe how the intervals are computed."""
        yield "Brackets contain the 95% interval. For ECE, lower is better; for the others, higher is better."
        yield describe_method(self.frame["_sampling"], self.frame["seeds"])
        if self.frame[f"{RETENTION}_difference"].notna().any():
            yield "Retention is compared only between runs with the same corruptions and severities."


class DifferencesWithCorruptions(_Differences):
    """The table of the differences in the mIoU on corrupted images, for each corruption."""

    name = "corruption_differences"
    heading = "Differences on corrupted images"
    order = 40
    caption = "differences on corrupted images"
    headers = MappingProxyType({CORRUPTED: "mean", **{name: name.replace("_", " ") for name in NAMES}})

    def notes(self) -> Iterable[str]:
        """Describe what is compared, and how the intervals are computed."""
        yield (
            "The differences are those of the mIoU on images with one corruption, averaged over its "
            "severities; the mean is over the corruptions. Brackets contain the 95% interval."
        )
        yield describe_method(self.frame["_sampling"], self.frame["seeds"])


def _points(name: str) -> Any:
    def show(row: Mapping[str, Any]) -> str:
        low, high = row[f"{name}_low"], row[f"{name}_high"]
        return f"{row[f'{name}_difference']:+.2f} ({low:+.2f} to {high:+.2f})"

    return show


def compare_measures(
    ablation: pd.DataFrame, differences: MeasureDifferences, measures: Iterable[str]
) -> pd.DataFrame:
    """Return the differences of some measures to the baselines, with intervals.

    Args:
        ablation: result of :func:`lednet_mm.reports.baselines.compare_with_baselines`.
        differences: object that computes the differences.
        measures: what is compared, see :meth:`lednet_mm.reports.measured.MeasureDifferences.between`.

    Returns:
        One row for each row of the ablation and each number of seeds on which any of the measures was taken,
        with the columns of ``PLACE``, ``corruptions`` in words, ``seeds``, and ``<measure>_difference``,
        ``<measure>_low`` and ``<measure>_high`` for each measure, in percentage points.
    """
    rows: list[dict[str, Any]] = []
    measures = list(measures)
    for row in rows_of(ablation):
        variant, baseline = paired_records(row["_accuracy"])
        by_seeds: dict[int, dict[str, Any]] = {}
        for name in measures if variant else ():
            found = differences.between(name, variant, baseline)
            if found.interval is None:
                continue
            used = [name for pair in found.seeds for name in (variant[pair], baseline[pair])]
            new = {**{key: row[key] for key in PLACE}, "seeds": len(found.seeds), "_accuracy": used}
            kept = by_seeds.setdefault(len(found.seeds), {**new, "_sampling": found.sampling})
            if name in (CORRUPTED, RETENTION):
                kept["corruptions"] = describe_corruptions(differences.tested_with(name, used[0]))
            kept |= {f"{name}_difference": found.interval.difference}
            kept |= {f"{name}_low": found.interval.low, f"{name}_high": found.interval.high}
        rows += by_seeds.values()
    columns = [*PLACE, "corruptions", "seeds"]
    columns += [f"{name}_{end}" for name in measures for end in ("difference", "low", "high")]
    return pd.DataFrame(rows, columns=[*columns, "_accuracy", "_sampling"])
