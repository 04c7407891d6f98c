"""Published numbers beside measured ones, each with its source, from ``published.csv``."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from lednet_mm.cards import network_cards
from lednet_mm.text import DEFAULT

MIOU = {
    ("cityscapes", "val"): "cityscapes_val_miou",
    ("cityscapes", "test"): "cityscapes_test_miou",
    ("camvid", "test"): "camvid_test_miou",
}
"""(dataset, split) of ours -> the column of its published number."""


@cache
def read_published() -> tuple[Mapping[str, str], ...]:
    """Read ``published.csv`` as one mapping for each row; cells without a source are empty."""
    with Path(__file__).with_name("published.csv").open(newline="") as file:
        return tuple(csv.DictReader(file))


@cache
def published_rows(network: str) -> tuple[Mapping[str, str], ...]:
    """Return the published rows of one of our networks, as its card names them; empty for other networks."""
    cards = network_cards()
    names = cards[network].published if network in cards else ()
    return tuple(row for row in read_published() if row["network"] in names)


def published_beside(group: Mapping[str, Any]) -> dict[str, Any]:
    """Return the published numbers for a row of the summary; a variant of ours has none.

    The first published row with a number counts; the table of published numbers shows all rows.
    """
    if group["variant"] != DEFAULT:
        return {}
    found: dict[str, Any] = {}
    column = MIOU.get((group["dataset"], group["split"]))
    for row in published_rows(group["network"]):
        if column and row[column] and "published_miou_percent" not in found:
            found["published_miou_percent"] = float(row[column])
            found["_published_miou_source"] = row["source"]
            found["published_miou_at"] = size_of(row, column)
        if row["fps"] and "published_fps" not in found:
            found["published_fps"] = float(row["fps"])
            found["_published_fps_source"] = row["source"]
            # The frame rate is meaningless without its machine and image size.
            gpu, size = row["fps_gpu"] or "unknown GPU", row["fps_at"] or "unknown size"
            found["published_where"] = f"{gpu}, {size}"
        if found:
            found.setdefault("published_source", row["source"])
    return found


def size_of(row: Mapping[str, str], column: str) -> str | None:
    """Return the image size of a published CamVid mIoU: 360x480 and 720x960 are both in use."""
    return (row["camvid_at"] or "unknown size") if column == "camvid_test_miou" else None
