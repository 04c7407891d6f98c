"""Compare the values of a record with its raw data, so that edited records are found.

Raw data are the confusion matrices of an accuracy, the samples of a latency, and the multiply-adds of a
network by operator. Only values are compared whose definition has been the same in all versions of this
project.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np

from lednet_mm.counting.counts import HEADLINE
from lednet_mm.datasets.cityscapes_ids import CATEGORIES
from lednet_mm.evaluation.confusion import scores, unpack
from lednet_mm.evaluation.measures import MEASURES
from lednet_mm.records import Record
from lednet_mm.statistics import class_iou
from lednet_mm.text import variant_name

ROUNDED_MS = 1e-4
"""Largest rounding error of samples, which are kept to four decimals."""

NAMED = re.compile(r"^(network|dataset|variant|study|randomness) = (.*)$", re.MULTILINE)
"""Entries of a config that identify the run; each of them is one line."""

Claim = tuple[str, Any, Any, float]
"""Name of a value, the recorded value, the value that follows from raw data, and the tolerance."""

WITH_CATEGORIES = dict.fromkeys(("Cityscapes", "StreetsDataset"), CATEGORIES)
"""Class of a dataset -> its categories, which records do not contain."""


def find_alteration(record: Record) -> str | None:
    """Compare a record's values with its raw data.

    Returns:
        The first disagreement, in one line; None if all values agree, or if the record keeps no raw data.

    Raises:
        ValueError: the raw data are damaged.
    """
    for name, said, follows, tolerance in chain(_run(record), CLAIMS.get(record.kind, _nothing)(record)):
        if not _agree(said, follows, tolerance):
            shown = f"{follows:g}" if isinstance(follows, float) else follows
            return f"altered: {name} is {said}, and {shown} follows from the data in the record"
    return None


def _agree(said: Any, follows: Any, tolerance: float) -> bool:
    if said is None or follows is None or isinstance(follows, (bool, str)):
        return said == follows
    if follows != follows:  # NaN: nothing could be measured
        return False
    return bool(abs(said - follows) <= tolerance)


def _nothing(_: Record) -> Iterator[Claim]:
    return iter(())


def _run(record: Record) -> Iterator[Claim]:
    """Compare the run that a record names with the entries of its config, if there are any."""
    for name, value in _named(record.config.text).items():
        said = getattr(record.run, name)
        kind = int if name == "seed" else str
        value = variant_name(value) if name == "variant" else value
        if isinstance(value, kind) and not (name == "seed" and said is None):  # cost records have no seed
            yield f"run.{name}", str(said), str(value), 0


@lru_cache(maxsize=16)  # the records of one run are read one after another
def _named(config: str) -> dict[str, Any]:
    """Return what the text of a config says about the run: its network, dataset, variant, study and seed."""
    known = {name: _literal(text) for name, text in NAMED.findall(config)}
    randomness = known.pop("randomness", None)
    if isinstance(randomness, dict):
        known["seed"] = randomness.get("seed")
    return known


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _train(record: Record) -> Iterator[Claim]:
    ranges = record.details.get("ranges")
    if ranges and isinstance(last := ranges[-1].get("to"), int):
        yield "values.iterations", record.values["iterations"], last, 0


def _accuracy(record: Record) -> Iterator[Claim]:
    details: Mapping[str, Any] = record.details
    if "per_image_confusion" not in details:
        return
    matrices = unpack(details["per_image_confusion"])
    images, rows, columns = matrices.shape
    total = matrices.sum(0)
    if columns < rows:
        raise ValueError(f"damaged confusion matrices: {rows} classes, but {columns} outputs")
    if "images" in details:
        yield "details.images", details["images"], images, 0
    if "per_image_names" in details:
        yield "the number of details.per_image_names", len(details["per_image_names"]), images, 0
    names = tuple(details.get("class_iou_percent", ()))
    if names:
        yield "the number of details.class_iou_percent", len(names), rows, 0
        found = [None if np.isnan(iou) else 100 * float(iou) for iou in class_iou(total)]
        for name, iou in zip(names, found, strict=True):
            yield f"details.class_iou_percent.{name}", details["class_iou_percent"][name], iou, 1e-6
        if "absent_classes" in details:
            absent = [name for name, iou in zip(names, found, strict=True) if iou is None]
            yield "details.absent_classes", str(details["absent_classes"]), str(absent), 0
    categories = _categories(record.config.text) or {}
    if (needed := 1 + max(chain(*categories.values()), default=-1)) > rows:
        raise ValueError(f"damaged confusion matrices: {rows} classes, and its config's dataset has {needed}")
    follows = scores(total, categories)
    for name, measure in MEASURES.items():
        if (packed := details.get(f"per_image_{name}")) is not None:
            counts = unpack(packed)
            yield f"the number of images in details.per_image_{name}", len(counts), images, 0
            try:
                follows |= measure.scores(counts.sum(0))
            except (IndexError, ValueError) as error:
                raise ValueError(f"damaged counts: per_image_{name} has another shape") from error
    for name, value in follows.items():
        if name in record.values:
            yield f"values.{name}", record.values[name], None if np.isnan(value) else value, 1e-6


def _categories(config: str) -> Mapping[str, Any] | None:
    """Return a dataset's categories if its config names exactly one class of dataset that has them."""
    found = {name for name in WITH_CATEGORIES if f"'type': '{name}'" in config}
    return WITH_CATEGORIES[found.pop()] if len(found) == 1 and "'categories'" not in config else None


def _latency(record: Record) -> Iterator[Claim]:
    values, details = record.values, record.details
    p50 = values["latency_ms_p50"]
    yield (
        "values.fps_p50",
        values["fps_p50"],
        1000 * details.get("batch_size", 1) / p50,
        1e-6 * values["fps_p50"],
    )
    if "unstable_because" in details and "unstable" in values:
        yield "values.unstable", values["unstable"], bool(details["unstable_because"]), 0
    if "samples_ms" in details:
        samples = np.asarray(details["samples_ms"], dtype=np.float64)
        percentiles = np.percentile(samples, [50, 90, 99])
        known = dict(zip(("latency_ms_p50", "latency_ms_p90", "latency_ms_p99"), percentiles, strict=True))
        known |= {"latency_ms_mean": samples.mean()}
        for name, value in known.items():
            if name in values:
                yield f"values.{name}", values[name], float(value), ROUNDED_MS + 1e-9 * float(value)
        if "samples" in values:
            yield "values.samples", values["samples"], len(samples), 0
    if (work := details.get("roofline")) is not None:
        rates = work["ceilings"]
        peak = max(rate for name, rate in rates.items() if name.startswith("gflop_per_s_"))
        least = 1e-6 * max(work["operations"] / peak, work["minimum_bytes"] / rates["gb_per_s_copy"])
        known = {"gflop_per_s": 1e-6 * work["operations"] / p50, "roofline_ms": least}
        known |= {"roofline_fraction": least / p50}
        for name, value in known.items():
            if name in values:
                yield f"values.{name}", values[name], value, 1e-6 * value


def _complexity(record: Record) -> Iterator[Claim]:
    counted = record.details.get("counters", {}).get(HEADLINE)
    if counted is not None:
        yield "values.macs", record.values["macs"], sum(counted.values()), 0


def _benchmark(record: Record) -> Iterator[Claim]:
    values, samples = record.values, record.details.get("samples_ms", {})
    ways = record.details.get("ways", {})
    first = next(iter(ways.values()), None)
    for way, key in ways.items():
        if way in samples:
            p50 = float(np.median(samples[way]))
            yield f"values.{key}_ms_p50", values[f"{key}_ms_p50"], p50, ROUNDED_MS
        ratio = values[f"{first}_ms_p50"] / values[f"{key}_ms_p50"]
        yield f"values.{key}_ratio", values[f"{key}_ratio"], ratio, 1e-6 * ratio


CLAIMS = {
    "train": _train,
    "accuracy": _accuracy,
    "corruption": _accuracy,
    "latency": _latency,
    "complexity": _complexity,
    "benchmark": _benchmark,
}
