"""Calibration, boundary IoU and IoU by object size: a table over seeds, and a reliability plot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lednet_mm.evaluation.calibration import calibration_scores
from lednet_mm.evaluation.confusion import unpack
from lednet_mm.records import Record, read_record
from lednet_mm.reports.drawing import Plot, label, set_title, style
from lednet_mm.reports.reading import Evidence
from lednet_mm.reports.runs import choose_runs, record_name
from lednet_mm.reports.summary import network_name, with_spread
from lednet_mm.reports.tables import Column, Table, rows_of
from lednet_mm.studies.statistics import sample_std
from lednet_mm.text import for_file_name

GROUP = ("study", "dataset", "network", "variant", "split")
HEADERS = {
    "ece_percent": "ECE (%)",
    "confidence_percent": "confidence (%)",
    "boundary_iou_percent": "boundary IoU (%)",
    "iou_small_percent": "small objects (%)",
    "iou_medium_percent": "medium objects (%)",
    "iou_large_percent": "large objects (%)",
}
"""Value of a record -> header of its column."""
CURVES = 7
"""The largest number of networks in one reliability plot: as many colours there are."""


def by_weights(records: Iterable[Record]) -> dict[tuple, list[Record]]:
    """Group accuracies, clean or corrupted, by the weights, the config and the split that they are of."""
    groups: dict[tuple, list[Record]] = {}
    for record in records:
        groups.setdefault(weights_of(record), []).append(record)
    return groups


def weights_of(record: Record) -> tuple:
    """Return what two records have in common that are of one run's weights, tested in the same way."""
    return (
        tuple(record.run.model_dump().values()),
        record.provenance.checkpoint_sha256,
        record.config.sha256,
        record.details["split"],
        bool(record.details.get("tta")),
    )


def collect_measures(evidence: Evidence) -> pd.DataFrame:
    """Collect what was measured beyond accuracy.

    Of each run it is the newest record that has the value, of the weights whose accuracy the report shows.

    Args:
        evidence: with the records; counts of calibration are read again.

    Returns:
        One row for each ``GROUP`` with any of ``HEADERS``: ``seeds``, the means and ``_<value>_std`` over
        seeds, the records in ``_records``, and in ``_calibration`` the counts (3, 15) over all images and
        seeds.
    """
    records = evidence.records
    measured = by_weights(
        r for r in records if r.kind == "accuracy" and any(name in r.values for name in HEADERS)
    )
    groups: dict[tuple, list[dict[str, Record]]] = {}
    for splits in choose_runs(records).accuracies.values():
        for split, shown in splits.items():
            newest = {
                name: record
                for record in measured.get(weights_of(shown), [])
                for name in HEADERS
                if record.values.get(name) is not None
            }
            if newest:
                run = shown.run
                key = (run.study, run.dataset, run.network, run.variant, split)
                groups.setdefault(key, []).append(newest)
    rows = []
    for key, runs in sorted(groups.items(), key=lambda item: tuple(map(str, item[0]))):
        row: dict[str, Any] = {**dict(zip(GROUP, key, strict=True)), "seeds": len(runs)}
        for name in HEADERS:
            found = [run[name].values[name] for run in runs if name in run]
            row[name] = float(np.mean(found)) if found else None
            row[f"_{name}_std"] = float(sample_std(np.array(found))) if found else None
        sources = dict.fromkeys(record_name(record) for run in runs for record in run.values())
        calibrated = [record_name(run["ece_percent"]) for run in runs if "ece_percent" in run]
        rows.append({**row, "_records": list(sources), "_calibration": _calibration(calibrated, evidence)})
    spreads = [f"_{name}_std" for name in HEADERS]
    return pd.DataFrame(rows, columns=[*GROUP, "seeds", *HEADERS, *spreads, "_records", "_calibration"])


def measure_table(frame: pd.DataFrame, title: str) -> Table:
    """Make the table for people.

    Args:
        frame: of :func:`collect_measures`.
        title: of the report.
    """

    def spread(name: str) -> Any:
        return lambda row: with_spread(row[name], row[f"_{name}_std"])

    columns = (
        *(Column(name, name) for name in ("study",) if frame["study"].nunique(dropna=False) > 1),
        *(Column(name, name) for name in ("network", "variant", "dataset", "split")),
        Column("seeds", "seeds", ".0f"),
        *(
            Column(name, header, ".2f", show=spread(name), source="_records")
            for name, header in HEADERS.items()
        ),
    )
    notes = (
        "± is the standard deviation over seeds. ECE: expected calibration error over 15 bins of confidence; "
        "confidence above the pixel accuracy means too sure. Objects are connected parts of the label: small "
        "below 1/300 of the image's area, large from 3/100 on.",
    )
    return Table("measures", f"{title}: calibration, boundaries, object sizes", columns, frame, notes)


def plot_reliability(frame: pd.DataFrame, title: str) -> list[Plot]:
    """Plot accuracy over confidence, one plot for each dataset and split.

    Args:
        frame: of :func:`collect_measures`.
        title: of the report.
    """
    known = frame[frame["ece_percent"].notna()]
    places = known.groupby(["dataset", "split"], sort=True)
    plots = []
    for (dataset, split), rows in places:
        figure = Figure(figsize=(5.2, 4.6), layout="constrained")
        axes = figure.add_subplot()
        axes.plot([0, 100], [0, 100], color="0.6", linewidth=1, zorder=0)
        for index, row in enumerate(rows_of(rows.nsmallest(CURVES, "ece_percent"))):
            counts = row["_calibration"]
            pixels, confidence, hits = counts[:, counts[0] > 0]
            ece = calibration_scores(counts)["ece_percent"]
            axes.plot(
                100 * confidence / pixels,
                100 * hits / pixels,
                label=f"{label(network_name(row))}: ECE {ece:.1f}%",
                markersize=4,
                **style(index),
            )
        axes.set(xlabel="mean confidence (%)", ylabel="accuracy (%)", xlim=(0, 100), ylim=(0, 100))
        axes.legend(fontsize=8, loc="upper left")
        more = f"; the best {CURVES} of {len(rows)}" if len(rows) > CURVES else ""
        set_title(figure, f"{title}\nreliability: {dataset}, {split}{more}")
        ending = f"_{dataset}_{split}" if len(places) > 1 else ""
        plots.append(Plot(for_file_name(f"reliability{ending}"), figure))
    return plots


def _calibration(names: Iterable[str], evidence: Evidence) -> np.ndarray:
    """Return the calibration counts of records, (3, 15), over all their images."""
    total = np.zeros((3, 15))
    for name in names:
        details: Mapping[str, Any] = read_record(evidence.paths[name]).details
        if "per_image_calibration" in details:
            total += unpack(details["per_image_calibration"]).sum(0)
    return total
