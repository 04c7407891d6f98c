"""The table with one row for each run: its accuracy, training, size and speed, joined from their records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from lednet_mm.records import Record
from lednet_mm.reports.latencies import LatencyCollection
from lednet_mm.reports.recipes import recipe_of
from lednet_mm.reports.runs import KEY, ChosenRuns, key_of, record_name
from lednet_mm.reports.tables import rows_of
from lednet_mm.studies.tuning import TuningResult
from lednet_mm.text import shortened

FINGERPRINT = "sizes:"
"""Prefix of a split's fingerprint; older records have others, which cannot be compared with it."""
ACCURACIES = ["miou_percent", "category_iou_percent", "pixel_accuracy_percent", "mean_accuracy_percent"]
COLUMNS = [
    *("network", "variant", "dataset", "seed", "split"),
    *ACCURACIES,
    "miou_val_percent",
    *("params", "params_train", "macs", "macs_shape"),
    *("fps_p50", "latency_ms_p50", "latency_ms_p90", "latency_ms_p99", "peak_memory_bytes", "unstable"),
    *("iterations", "recipe", "study"),
    *("accuracy_record", "train_record", "complexity_record", "latency_record"),
]


def network_of(record: Record) -> tuple[str, str, str]:
    """Return the key of complexity and latency, which do not depend on seed or study."""
    return (record.run.dataset, record.run.network, record.run.variant)


def join_runs(
    records: Iterable[Record],
    chosen: ChosenRuns,
    latencies: LatencyCollection,
    tunings: Iterable[TuningResult],
) -> pd.DataFrame:
    """Join the records of each run into a row.

    The accuracy is that of the test split if a run has one, otherwise of the validation split. Latencies are
    those of the condition under which most networks were measured; the table of latencies has the others.

    Args:
        records: records of any kind and study, oldest first.
        chosen: the trainings and accuracies that are shown.
        latencies: latencies of every network under every condition.
        tunings: the tuning of each network for which settings were chosen.

    Returns:
        One row for each run, and for each network without a run; columns as in ``COLUMNS``, sorted.
    """
    timed = latencies.frame[latencies.frame["condition"] == 0]
    latency = {(row["dataset"], row["network"], row["variant"]): row for row in rows_of(timed)}
    complexity: dict[tuple, Record] = {}
    for record in records:
        if record.kind == "complexity":
            complexity[network_of(record)] = record
    runs = {key: {"train": trainings[-1]} for key, trainings in chosen.trainings.items()}
    for key, splits in chosen.accuracies.items():
        runs.setdefault(key, {}).update(splits)
    trained = {key[1:4] for key in runs}
    for network in sorted({*complexity, *latency} - trained):
        runs[(None, *network, None)] = {}

    tuned = {key_of(tuning.record)[:4]: tuning.chosen for tuning in tunings}
    rows = [_row(key, found, complexity, latency, tuned.get(key[:4])) for key, found in runs.items()]
    table = pd.DataFrame(rows, columns=COLUMNS)
    # Counts stay integers even if some cells are empty.
    for column in ("seed", "params", "params_train", "macs", "iterations"):
        table[column] = table[column].astype("Int64")
    for column in (*ACCURACIES, "miou_val_percent", "fps_p50", "peak_memory_bytes"):
        table[column] = table[column].astype("float64")
    return table.sort_values(KEY, na_position="first", ignore_index=True)


def _row(
    key: Sequence,
    found: dict[str, Record],
    complexity: dict,
    latency: dict,
    tuned: Mapping[str, Any] | None,
) -> dict:
    row: dict = dict(zip(KEY, key, strict=True))
    network = tuple(key[1:4])
    train = found.get("train")
    splits = [split for split in ("test", "val", *sorted(found)) if split in found and split != "train"]
    if splits:
        accuracy = found[splits[0]]
        row.update(accuracy.values, split=splits[0], accuracy_record=record_name(accuracy))
    if "val" in found:
        row["miou_val_percent"] = found["val"].values["miou_percent"]
    if train is not None:
        row.update(iterations=train.values.get("iterations"), train_record=record_name(train))
    if trained_by := train or (found[splits[0]] if splits else None):
        row["recipe"] = recipe_of(trained_by.config.text, tuned)
    if (counted := complexity.get(network)) is not None:
        row.update(counted.values, complexity_record=record_name(counted))
        row["macs_shape"] = "{}x{}".format(*counted.details["shape"])
    if (timed := latency.get(network)) is not None:
        row.update({name: timed[name] for name in COLUMNS if name in timed})
        row["latency_record"] = timed["record"]
    return row


def notes_on_runs(
    table: pd.DataFrame,
    latencies: LatencyCollection,
    chosen: ChosenRuns,
    tunings: Iterable[TuningResult],
) -> Iterator[str]:
    """Return the notes for a table of runs: conditions, sizes, mixed settings and omissions.

    Args:
        table: result of :func:`join_runs`.
        latencies: latencies from which it was made.
        chosen: runs from which it was made.
        tunings: tunings of the networks in it.

    Yields:
        One line for each note.
    """
    if latencies.conditions:
        yield f"Speed: {latencies.conditions[0]}."
    yield from (
        f"Speed under another condition, see the table of latencies: {other}."
        for other in latencies.conditions[1:]
    )
    shapes = sorted({s for s in table["macs_shape"] if isinstance(s, str)})
    if len(shapes) > 1:
        yield f"Several image sizes of the multiply-adds are in this table: {', '.join(shapes)}."
    elif shapes:
        yield f"Multiply-adds (fvcore) of one image of {shapes[0]}, final upsampling included."
    for column, what in (("split", "splits"), ("study", "studies")):
        values = sorted({s for s in table[column] if isinstance(s, str)})
        if len(values) > 1:
            yield f"Several {what} are in this table: {', '.join(values)}."
    for dataset, rows in table.groupby("dataset"):
        recipes = sorted({s for s in rows["recipe"] if isinstance(s, str)})
        if len(recipes) > 1:
            shown = shortened(recipes, 4, "; ")
            yield f"{len(recipes)} recipes on {dataset}, compare rows of one only: {shown}."
    if tuned := sorted({key for tuning in tunings for key in tuning.chosen or ()}):
        shown = shortened(tuned, 10)
        yield f"Tuned on val for each network: {shown}; the table of the tuning has the chosen values."
    unmeasured = (table["accuracy_record"].notna() & table["miou_percent"].isna()).sum()
    if unmeasured:
        runs = "one run" if unmeasured == 1 else f"{unmeasured} runs"
        yield f"mIoU cannot be computed of {runs}: no labelled pixel."
    yield from _fingerprint_notes(chosen)
    yield from chosen.notes


def _fingerprint_notes(chosen: ChosenRuns) -> Iterable[str]:
    """Report the datasets and splits whose accuracies were measured on different images."""
    trained = {key: runs[-1].provenance.dataset_fingerprint for key, runs in chosen.trainings.items()}
    known: dict[tuple[str, str], set[str]] = {}
    older: Counter[tuple[str, str]] = Counter()
    for key, splits in chosen.accuracies.items():
        for record in splits.values():
            fingerprint = record.provenance.dataset_fingerprint
            place = (record.run.dataset, record.details["split"])
            if fingerprint is None:
                continue
            # In earlier versions, the validation at a training's end had the fingerprint of all its data.
            if not fingerprint.startswith(FINGERPRINT) or fingerprint == trained.get(key):
                older[place] += 1
            else:
                known.setdefault(place, set()).add(fingerprint)
    for (dataset, split), found in sorted(known.items()):
        if len(found) > 1:
            yield f"{dataset}, {split}: accuracies come from {len(found)} different sets of images."
        if count := older[dataset, split]:
            yield (
                f"{dataset}, {split}: {count} accuracies carry the fingerprint of an older version; whether "
                "they come from the same images as the others is not known."
            )
