"""IoU by class, for each run and as the mean over its seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lednet_mm.reports.runs import KEY, ChosenRuns, record_name
from lednet_mm.reports.tables import is_missing, rows_of

CLASS_KEY = ["study", "dataset", "network", "variant", "split"]
"""Columns that identify a row of means; runs that differ only in their seeds share one."""


def class_table(chosen: ChosenRuns) -> pd.DataFrame:
    """Return the table of class IoUs: one row for each run and split, one column for each class, in percent.

    Args:
        chosen: runs with the accuracies that are shown.

    Returns:
        The table, which is empty if there are no accuracies. The IoU is NaN if a class is absent, or belongs
        to another dataset.
    """
    rows = [
        {
            **dict(zip(KEY, key, strict=True)),
            "split": split,
            **{_column(name): iou for name, iou in record.details.get("class_iou_percent", {}).items()},
            "_accuracy": record_name(record),
        }
        for key, splits in chosen.accuracies.items()
        for split, record in splits.items()
    ]
    table = pd.DataFrame(rows)
    if table.empty:
        return pd.DataFrame(columns=[*KEY, "split", "_accuracy"])
    table["seed"] = table["seed"].astype("Int64")
    return table.sort_values([*KEY, "split"], na_position="first", ignore_index=True)


def _column(name: str) -> str:
    """Return the name of a class's column, which differs from the names of these tables' other columns."""
    return f"class {name}" if name in (*KEY, "split", "seeds") or name.startswith("_") else name


def class_names(table: pd.DataFrame) -> list[str]:
    """Return the classes for which a table of this module has columns."""
    return [c for c in table if c not in KEY and c not in ("split", "seeds") and not c.startswith("_")]


def summarise_classes(table: pd.DataFrame) -> pd.DataFrame:
    """Return means over seeds: one row for each network, variant and split, with the class table's columns.

    Args:
        table: result of :func:`class_table`; the summary of an empty table is empty.
    """
    if table.empty:
        return pd.DataFrame(columns=[*CLASS_KEY, "seeds", "_accuracy"])
    classes = class_names(table)
    table[classes] = table[classes].astype("float64")
    groups = table.groupby(CLASS_KEY, dropna=False, sort=False)
    means, stds = groups[classes].mean(), groups[classes].std()
    means["seeds"] = groups.size()
    means["_accuracy"] = groups["_accuracy"].agg(list)
    for name in classes:
        means[f"_{name}_std"] = stds[name]
    return means.reset_index()[
        [*CLASS_KEY, "seeds", *classes, *(f"_{name}_std" for name in classes), "_accuracy"]
    ]


def reported_splits(frame: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    """Keep the rows of the splits that the summary shows for each network.

    Args:
        frame: result of :func:`summarise_classes`.
        summary: result of :func:`lednet_mm.reports.summary.summarise_runs`.
    """

    def names(table: pd.DataFrame) -> list[tuple]:
        rows: list[dict[str, Any]] = rows_of(table[CLASS_KEY])
        return [tuple(None if is_missing(value) else value for value in row.values()) for row in rows]

    shown = set(names(summary))
    kept = np.array([name in shown for name in names(frame)], dtype=bool)
    return frame[kept].reset_index(drop=True)
