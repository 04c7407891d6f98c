"""The comparison: one row a run, everything in it computed from records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from lednet_mm.records import Record

KEY = ["study", "dataset", "network", "variant", "seed"]
COLUMNS = [
    *("network", "variant", "dataset", "seed", "split"),
    *("miou_percent", "category_iou_percent", "pixel_accuracy_percent", "mean_accuracy_percent"),
    "miou_val_percent",
    *("params", "params_train", "macs", "macs_shape"),
    *("fps_p50", "latency_ms_p50", "latency_ms_p90", "latency_ms_p99", "unstable"),
    *("iterations", "study"),
]


@dataclass(frozen=True)
class Condition:
    """Under what a latency was taken; only latencies of one condition stand in one column."""

    device: str
    threads: int | None
    shape: tuple[int, int]
    batch_size: int
    engine: str
    precision: str

    def __str__(self) -> str:
        threads = f", {self.threads} thread{'s' if self.threads != 1 else ''}" if self.threads else ""
        height, width = self.shape
        return (
            f"{self.device}{threads}, {self.engine}, {self.precision}, {self.batch_size}x3x{height}x{width}"
        )


@dataclass(frozen=True)
class Comparison:
    """The table and what must be said with it.

    Attributes:
        table: one row a run, columns as in ``COLUMNS``, sorted.
        condition: under which the latencies in the table were taken; None without latencies.
        notes: one line each: what was left out and why.
    """

    table: pd.DataFrame
    condition: Condition | None
    notes: tuple[str, ...]


def newest_accuracies(records: Iterable[Record]) -> dict[tuple, dict[str, Record]]:
    """Return the newest accuracy of each run and split: key as in ``KEY`` -> split -> record.

    Args:
        records: of any kinds, oldest first.
    """
    found: dict[tuple, dict[str, Record]] = {}
    for record in records:
        if record.kind == "accuracy":
            key = (record.run.study, *_network(record), record.run.seed)
            found.setdefault(key, {})[record.details["split"]] = record
    return found


def class_table(records: Iterable[Record]) -> pd.DataFrame:
    """Make the table of class IoUs: one row a run and split, one column a class.

    Args:
        records: of any kinds, oldest first.
    """
    rows = [
        {**dict(zip(KEY, key, strict=True)), "split": split, **record.details["class_iou_percent"]}
        for key, splits in newest_accuracies(records).items()
        for split, record in splits.items()
    ]
    table = pd.DataFrame(rows)
    if table.empty:
        return table
    table["seed"] = table["seed"].astype("Int64")
    return table.sort_values([*KEY, "split"], na_position="first", ignore_index=True)


def _condition(record: Record) -> Condition:
    details, provenance = record.details, record.provenance
    # Threads tell CPU measurements apart; on a GPU they do not matter.
    threads = None if "cuda" in provenance.versions else provenance.threads
    return Condition(
        provenance.device,
        threads,
        tuple(details["shape"]),
        details["batch_size"],
        details["engine"],
        provenance.precision,
    )


def _network(record: Record) -> tuple:
    """Return what complexity and latency belong to: they do not depend on seed or study."""
    return (record.run.dataset, record.run.network, record.run.variant)


def compare(records: Iterable[Record]) -> Comparison:
    """Make the comparison table.

    Accuracy is that of the test split where a run has one, else of the validation split; of several records
    of the same thing the newest counts. Latencies of the condition under which most networks were measured
    are shown, the others are named in the notes.

    Args:
        records: of any kinds and studies, oldest first.
    """
    records = sorted(records, key=lambda record: (record.provenance.date, record.id))
    notes: list[str] = []
    conditions = Counter(
        condition for condition, _ in {(_condition(r), _network(r)) for r in records if r.kind == "latency"}
    )
    ranked = sorted(conditions, key=lambda c: (-conditions[c], str(c)))
    condition = ranked[0] if ranked else None
    notes += [f"latencies not shown, taken under another condition: {other}" for other in ranked[1:]]

    complexity: dict[tuple, Record] = {}
    latency: dict[tuple, Record] = {}
    runs: dict[tuple, dict[str, Record]] = {}
    for record in records:
        run = record.run
        if record.kind == "complexity":
            complexity[_network(record)] = record
        elif record.kind == "latency":
            if _condition(record) == condition:
                latency[_network(record)] = record
        elif record.kind == "train":
            runs.setdefault((run.study, *_network(record), run.seed), {})["train"] = record
    for key, splits in newest_accuracies(records).items():
        runs.setdefault(key, {}).update(splits)
    trained = {key[1:4] for key in runs}
    for network in sorted({*complexity, *latency} - trained):
        runs[(None, *network, None)] = {}

    rows = [_row(key, found, complexity, latency) for key, found in runs.items()]
    table = pd.DataFrame(rows, columns=COLUMNS)
    # Counts stay whole numbers although some cells are empty.
    for column in ("seed", "params", "params_train", "macs", "iterations"):
        table[column] = table[column].astype("Int64")
    table = table.sort_values(KEY, na_position="first", ignore_index=True)
    shapes = sorted({s for s in table["macs_shape"] if isinstance(s, str)})
    if len(shapes) > 1:
        notes.append(f"multiply-adds are of several image sizes ({', '.join(shapes)}): see macs_shape")
    tested = sorted({s for s in table["split"] if isinstance(s, str)})
    if len(tested) > 1:
        notes.append(f"accuracies are of several splits ({', '.join(tested)}): see split")
    return Comparison(table, condition, tuple(notes))


def _row(key: Sequence, found: dict[str, Record], complexity: dict, latency: dict) -> dict:
    study, dataset, network, variant, seed = key
    row: dict = {"study": study, "dataset": dataset, "network": network, "variant": variant, "seed": seed}
    accuracy = found.get("test") or found.get("val")
    if accuracy is not None:
        row["split"] = accuracy.details["split"]
        row.update(accuracy.values)
    if "val" in found:
        row["miou_val_percent"] = found["val"].values["miou_percent"]
    if "train" in found:
        row["iterations"] = found["train"].values["iterations"]
    if (counted := complexity.get((dataset, network, variant))) is not None:
        row.update(counted.values)
        row["macs_shape"] = "{}x{}".format(*counted.details["shape"])
    if (timed := latency.get((dataset, network, variant))) is not None:
        row.update(timed.values)
    return row


def to_markdown(comparison: Comparison, title: str) -> str:
    """Write the comparison for people: units in the headers, notes below."""
    table = comparison.table
    shown = pd.DataFrame(
        {
            "network": table["network"],
            "variant": table["variant"],
            "dataset": table["dataset"],
            "seed": table["seed"].astype("string"),
            "split": table["split"],
            "mIoU (%)": table["miou_percent"].map("{:.2f}".format, na_action="ignore"),
            "mIoU on val (%)": table["miou_val_percent"]
            .where(table["split"] == "test")
            .map("{:.2f}".format, na_action="ignore"),
            "category IoU (%)": table["category_iou_percent"].map("{:.2f}".format, na_action="ignore"),
            "parameters (M)": (table["params"] / 1e6).map("{:.3f}".format, na_action="ignore"),
            "MACs (G)": (table["macs"] / 1e9).map("{:.2f}".format, na_action="ignore"),
            "FPS (p50)": table["fps_p50"].map("{:.1f}".format, na_action="ignore"),
            "latency p99 (ms)": table["latency_ms_p99"].map("{:.1f}".format, na_action="ignore"),
            "": table["unstable"].map({True: "unstable"}),
        }
    )
    shown = shown.astype(object).where(shown.notna(), "")
    shown = shown.loc[:, (shown != "").any()]
    lines = [f"# {title}", "", shown.to_markdown(index=False, disable_numparse=True), ""]
    if comparison.condition:
        lines += [f"Speed: {comparison.condition}; logits at input resolution.", ""]
    if shapes := sorted({s for s in table["macs_shape"] if isinstance(s, str)}):
        lines += [
            f"Multiply-adds (fvcore) of one image of {', '.join(shapes)}, final upsampling included.",
            "",
        ]
    lines += [f"Note: {note}." for note in comparison.notes]
    return "\n".join(lines).rstrip() + "\n"
