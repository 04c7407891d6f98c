"""IoU by class."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from lednet_mm.records import Record
from lednet_mm.reports.runs import KEY, choose_runs, record_name
from lednet_mm.reports.summary import with_spread
from lednet_mm.reports.tables import Column, Table, is_missing, rows_of

GROUP = ["study", "dataset", "network", "variant", "split"]


def class_table(records: Iterable[Record]) -> pd.DataFrame:
    """Make the table of class IoUs: one row a run and split, one column a class, in percent.

    Args:
        records: of any kinds, in any order.

    Returns:
        Empty without an accuracy; a class that is absent or of another dataset is NaN.
    """
    rows = [
        {
            **dict(zip(KEY, key, strict=True)),
            "split": split,
            **{_column(name): iou for name, iou in record.details.get("class_iou_percent", {}).items()},
            "_accuracy": record_name(record),
        }
        for key, splits in choose_runs(records).accuracies.items()
        for split, record in splits.items()
    ]
    table = pd.DataFrame(rows)
    if table.empty:
        return table
    table["seed"] = table["seed"].astype("Int64")
    return table.sort_values([*KEY, "split"], na_position="first", ignore_index=True)


def _column(name: str) -> str:
    """Return the column of a class; one that is called as another column of these tables is told apart."""
    return f"class {name}" if name in (*KEY, "split", "seeds") or name.startswith("_") else name


def class_names(table: pd.DataFrame) -> list[str]:
    """Return the classes that a table of this module has columns of."""
    return [c for c in table if c not in KEY and c not in ("split", "seeds") and not c.startswith("_")]


def summarise_classes(table: pd.DataFrame) -> pd.DataFrame:
    """Return the means over seeds, one row a network, variant and split, in the class table's columns.

    Args:
        table: of :func:`class_table`.
    """
    classes = class_names(table)
    table[classes] = table[classes].astype("float64")
    groups = table.groupby(GROUP, dropna=False, sort=False)
    means, stds = groups[classes].mean(), groups[classes].std()
    means["seeds"] = groups.size()
    means["_accuracy"] = groups["_accuracy"].agg(list)
    for name in classes:
        means[f"_{name}_std"] = stds[name]
    return means.reset_index()[
        [*GROUP, "seeds", *classes, *(f"_{name}_std" for name in classes), "_accuracy"]
    ]


def class_summary_table(frame: pd.DataFrame, title: str) -> Table:
    """Make the table for people: of each run the split that the comparison shows.

    Args:
        frame: of :func:`summarise_classes`.
        title: of the report.
    """

    def spread(name: str) -> Any:
        return lambda row: with_spread(row[name], row[f"_{name}_std"], ".1f")

    columns = (
        *(Column(name, name) for name in ("study",) if frame["study"].nunique(dropna=False) > 1),
        *(Column(name, name) for name in ("network", "variant", "dataset", "split")),
        Column("seeds", "seeds", ".0f"),
        *(
            Column(name, f"{name} (%)", ".1f", show=spread(name), source="_accuracy")
            for name in class_names(frame)
        ),
    )
    notes = ("IoU of each class; ± is the standard deviation over seeds.",)
    return Table("class_summary", f"{title}: IoU by class", columns, frame, notes)


def reported_splits(frame: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    """Keep the rows of the splits that the summary shows of each network."""

    def names(table: pd.DataFrame) -> list[tuple]:
        rows: list[dict[str, Any]] = rows_of(table[GROUP])
        return [tuple(None if is_missing(value) else value for value in row.values()) for row in rows]

    shown = set(names(summary))
    return frame[[name in shown for name in names(frame)]].reset_index(drop=True)
