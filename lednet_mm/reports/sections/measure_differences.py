"""The differences of calibration, boundary IoU and retention to the baselines, with intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from lednet_mm.reports.baselines import paired_records
from lednet_mm.reports.differences import describe_method
from lednet_mm.reports.measured import COUNTED, RETENTION, MeasureDifferences
from lednet_mm.reports.sections.section import TableSection
from lednet_mm.reports.tables import Column, names, rows_of

PLACE = ["study", "dataset", "split", "network", "variant", "baseline"]
HEADERS = dict(zip((*COUNTED, RETENTION), ("ECE", "boundary IoU", "retention"), strict=True))


class DifferencesOfMeasures(TableSection):
    """The differences of every measure that records keep image by image."""

    name = "measure_differences"
    heading = "Differences of calibration, boundaries and robustness"
    order = 39
    caption = "differences of calibration, boundaries and robustness"

    def collect(self) -> pd.DataFrame:
        """Return the differences."""
        measured = self.content.measured
        taken = MeasureDifferences(self.content.evidence, measured)
        # Without a measure nothing is compared.
        return compare_measures(self.content.against_baselines if measured else pd.DataFrame(), taken)

    def columns(self) -> Sequence[Column]:
        """Return the difference of each measure."""
        return (
            *(names("study") if self.frame["study"].nunique(dropna=False) > 1 else ()),
            *names("network", "variant", "dataset", "split"),
            Column("baseline", "compared with"),
            Column("seeds", "seeds", ".0f", source="_accuracy"),
            *(
                Column(
                    f"{name}_difference", f"{header} (points)", ".2f", show=_points(name), source="_accuracy"
                )
                for name, header in HEADERS.items()
            ),
        )

    def notes(self) -> Iterable[str]:
        """Say how the intervals are made."""
        yield "In brackets the 95% interval. A lower ECE is better; of the others a higher value is."
        yield describe_method(self.frame["_sampling"], self.frame["seeds"])
        if self.frame[f"{RETENTION}_difference"].notna().any():
            yield "Retention is compared between runs with the same corruptions and severities."


def _points(name: str) -> Any:
    def show(row: Mapping[str, Any]) -> str:
        low, high = row[f"{name}_low"], row[f"{name}_high"]
        return f"{row[f'{name}_difference']:+.2f} ({low:+.2f} to {high:+.2f})"

    return show


def compare_measures(ablation: pd.DataFrame, differences: MeasureDifferences) -> pd.DataFrame:
    """Return the differences of every measure to the baselines, with intervals.

    Args:
        ablation: see :func:`lednet_mm.reports.baselines.compare_with_baselines`.
        differences: takes them.

    Returns:
        One row for each row of the ablation with any of ``HEADERS`` and each number of seeds: ``PLACE``,
        ``seeds``, and of each measure ``<measure>_difference``, ``_low``, ``_high`` in percent points.
    """
    rows: list[dict[str, Any]] = []
    for row in rows_of(ablation):
        variant, baseline = paired_records(row["_accuracy"])
        by_seeds: dict[int, dict[str, Any]] = {}
        for name in HEADERS if variant else ():
            found = differences.between(name, variant, baseline)
            if found.interval is None:
                continue
            used = [name for pair in found.seeds for name in (variant[pair], baseline[pair])]
            new = {**{key: row[key] for key in PLACE}, "seeds": len(found.seeds), "_accuracy": used}
            kept = by_seeds.setdefault(len(found.seeds), {**new, "_sampling": found.sampling})
            kept |= {f"{name}_difference": found.interval.difference}
            kept |= {f"{name}_low": found.interval.low, f"{name}_high": found.interval.high}
        rows += by_seeds.values()
    columns = [*PLACE, "seeds"]
    columns += [f"{name}_{end}" for name in HEADERS for end in ("difference", "low", "high")]
    return pd.DataFrame(rows, columns=[*columns, "_accuracy", "_sampling"])
