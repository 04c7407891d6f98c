"""Published numbers beside measured ones, each with its source: ``published.csv``."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from lednet_mm.cards import network_cards
from lednet_mm.reports.tables import Column, Table, rows_of

MIOU = {
    ("cityscapes", "val"): "cityscapes_val_miou",
    ("cityscapes", "test"): "cityscapes_test_miou",
    ("camvid", "test"): "camvid_test_miou",
}
"""Which published number belongs to which (dataset, split) of ours."""


@cache
def read_published() -> tuple[Mapping[str, str], ...]:
    """Read ``published.csv``, one mapping a row; cells that no source fills are empty."""
    with Path(__file__).with_name("published.csv").open(newline="") as file:
        return tuple(csv.DictReader(file))


@cache
def published_rows(network: str) -> tuple[Mapping[str, str], ...]:
    """Return the published rows of one of our networks, as its card names them; none of any other network."""
    cards = network_cards()
    names = cards[network].published if network in cards else ()
    return tuple(row for row in read_published() if row["network"] in names)


def published_beside(group: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is published of a row of the summary: nothing for a variant of ours.

    The first published row with such a number counts; the table of published numbers has them all.
    """
    if group["variant"] != "baseline":
        return {}
    found: dict[str, Any] = {}
    column = MIOU.get((group["dataset"], group["split"]))
    for row in published_rows(group["network"]):
        if column and row[column] and "published_miou_percent" not in found:
            found["published_miou_percent"] = float(row[column])
            found["published_miou_at"] = _size(row, column)
        if row["fps"] and "published_fps" not in found:
            found["published_fps"] = float(row["fps"])
            # One machine and size: what else would the number mean?
            gpu, size = row["fps_gpu"] or "unknown GPU", row["fps_at"] or "unknown size"
            found["published_where"] = f"{gpu}, {size}"
        if found:
            found.setdefault("published_source", row["source"])
    return found


def published_table(summary: pd.DataFrame, title: str) -> Table:
    """Make the table of published numbers beside ours: a row for each published row of a network measured."""
    rows = []
    for ours in rows_of(summary[summary["variant"] == "baseline"]):
        column = MIOU.get((ours["dataset"], ours["split"]))
        for row in published_rows(ours["network"]):
            rows.append(_row(ours, row, column))
    columns = (
        Column("network", "network"),
        Column("dataset", "dataset"),
        Column("split", "split"),
        Column("published_as", "published as"),
        Column("miou_percent", "mIoU (%)", ".2f", source="_accuracy"),
        Column("published_miou_percent", "published mIoU (%)", ".2f"),
        Column("published_miou_at", "published mIoU at"),
        Column("params", "parameters (M)", ".3f", 1e6, source="_complexity"),
        Column("published_params_m", "published parameters (M)", ".2f"),
        Column("macs", "MACs (G)", ".2f", 1e9, source="_complexity"),
        Column("macs_shape", "MACs at"),
        Column("published_flops_g", "published FLOPs or MACs (G)", ".2f"),
        Column("published_flops_at", "published at"),
        Column("fps_0", "FPS (p50)", ".1f", source="_latency_0"),
        Column("published_fps", "published FPS", ".1f"),
        Column("published_fps_gpu", "published FPS on"),
        Column("published_fps_at", "published FPS at"),
        Column("extra_data", "extra data"),
        Column("source", "source"),
    )
    frame = pd.DataFrame(rows, columns=[*(c.key for c in columns), "_accuracy", "_complexity", "_latency_0"])
    for key in ("miou_percent", "published_miou_percent", "published_params_m", "fps_0", "published_fps"):
        frame[key] = frame[key].astype("float64")
    notes = (
        "Published numbers are their sources', with their recipes, sizes and machines; empty is unknown.",
        "Ours stand under the conditions of the summary.",
    )
    return Table("published", f"{title}: measured and published", columns, frame, notes)


def _row(ours: Mapping[str, Any], row: Mapping[str, str], column: str | None) -> dict[str, Any]:
    keys = ("network", "dataset", "split", "miou_percent", "params", "macs", "macs_shape")
    sources = ("fps_0", "_accuracy", "_complexity", "_latency_0")
    return {
        **{key: ours[key] for key in keys},
        **{key: ours[key] for key in sources if key in ours},
        "published_as": row["network"],
        "published_miou_percent": _number(row[column]) if column else None,
        "published_miou_at": _size(row, column) if column and row[column] else None,
        "published_params_m": _number(row["params_m"]),
        "published_flops_g": _number(row["flops_g"]),
        "published_flops_at": row["flops_at"] or None,
        "published_fps": _number(row["fps"]),
        "published_fps_gpu": row["fps_gpu"] or None,
        "published_fps_at": row["fps_at"] or None,
        "extra_data": row["extra_data"] or None,
        "source": row["source"],
    }


def _size(row: Mapping[str, str], column: str) -> str | None:
    """Return the size of the images of a published CamVid mIoU: 360x480 and 720x960 are both in use."""
    return (row["camvid_at"] or "unknown size") if column == "camvid_test_miou" else None


def _number(text: str) -> float | None:
    return float(text) if text else None
