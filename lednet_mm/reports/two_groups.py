"""Two runs, or two groups of runs, side by side: where they differ, how surely, and on which images.

Differences are B - A, paired by seed and image, in percent points, with the interval of
:func:`lednet_mm.studies.statistics.paired_interval`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lednet_mm.errors import InputError, suggest
from lednet_mm.evaluation.confusion import class_iou, unpack
from lednet_mm.evaluation.object_size import SIZES
from lednet_mm.records import Record, read_record
from lednet_mm.reports.differences import Difference
from lednet_mm.reports.reading import Evidence, read_evidence
from lednet_mm.reports.runs import choose_runs, record_name
from lednet_mm.reports.summary import network_name
from lednet_mm.reports.tables import Column, Table
from lednet_mm.studies.statistics import RESAMPLES, hits_and_unions, paired_interval, resample_weights
from lednet_mm.text import DEFAULT

WORST = 0.05
"""The share of images that are the worst ones."""
SIZE_RATIO = 2
"""Images are compared by size where the largest third has so many times the pixels of the smallest."""
EMPTY = "too few of the images have it"

Statistic = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Counts of images (I, ...) and weights of images (R, I) -> (R,) scores in percent, NaN where undefined."""


@dataclass(frozen=True)
class Group:
    """Runs of one network and variant.

    Attributes:
        name: for people.
        evidence: in which their records are.
        accuracies: (dataset, split) -> seed -> accuracy record.
    """

    name: str
    evidence: Evidence
    accuracies: Mapping[tuple[str, str], Mapping[int | None, Record]]


@dataclass(frozen=True)
class ImageDifference:
    """An image on which two groups differ.

    Attributes:
        dataset: of the image.
        split: whose image it is.
        name: of its file.
        ours: mIoU of this image in percent, of group A, averaged over seeds.
        theirs: the same of group B.
    """

    dataset: str
    split: str
    name: str
    ours: float
    theirs: float

    @property
    def difference(self) -> float:
        """B - A in percent points."""
        return self.theirs - self.ours


@dataclass(frozen=True)
class TwoGroups:
    """Two groups compared.

    Attributes:
        table: one row for each part of the data.
        images: of all datasets, those that differ most first.
    """

    table: Table
    images: tuple[ImageDifference, ...]


# ---- which runs ----


def find_groups(named: Sequence[str], folders: Sequence[str]) -> list[Group]:
    """Find groups of runs.

    Args:
        named: folders of runs, or ``network`` or ``network:variant``.
        folders: where networks are looked for.

    Raises:
        InputError: no such folder or network, no accuracy, or a folder with several networks.
    """
    everything: Evidence | None = None
    groups = []
    for name in named:
        if Path(name).is_dir():
            groups.append(_group_in(read_evidence([name]), name))
            continue
        if "/" in name:
            raise InputError(f"{name}: no such folder; name a run's folder, or NETWORK[:VARIANT]")
        if everything is None:
            everything = read_evidence(folders)
        groups.append(_group_named(everything, name, folders))
    return groups


def _group_in(evidence: Evidence, folder: str) -> Group:
    found = _by_network(evidence)
    if not found:
        raise InputError(f"{folder}: no record of an accuracy there: test a checkpoint with tools/test.py")
    if len(found) > 1:
        names = ", ".join(f"{network}:{variant}" for network, variant in sorted(found)[:10])
        raise InputError(f"{folder} holds several networks: name one of {names} with --in {folder}")
    ((network, variant), accuracies) = next(iter(found.items()))
    name = network_name({"network": network, "variant": variant})
    return Group(f"{name} ({Path(folder).name})", evidence, accuracies)


def _group_named(evidence: Evidence, name: str, folders: Sequence[str]) -> Group:
    network, _, variant = name.partition(":")
    found = _by_network(evidence)
    key = (network, variant or DEFAULT)
    if key not in found:
        known = [f"{n}:{v}" for n, v in sorted(found)]
        raise InputError(
            f"no accuracy of {':'.join(key)} below {', '.join(map(str, folders))}, and no folder {name}"
            f"{suggest(':'.join(key), known)}"
        )
    return Group(network_name({"network": key[0], "variant": key[1]}), evidence, found[key])


def _by_network(
    evidence: Evidence,
) -> dict[tuple[str, str], dict[tuple[str, str], dict[int | None, Record]]]:
    """Return (network, variant) -> (dataset, split) -> seed -> accuracy; of several, the newest."""
    found: dict[tuple[str, str], dict[tuple[str, str], dict[int | None, Record]]] = {}
    for splits in choose_runs(evidence.records).accuracies.values():
        for split, record in splits.items():
            run = record.run
            place = found.setdefault((run.network, run.variant), {}).setdefault((run.dataset, split), {})
            known = place.get(run.seed)
            if known is None or known.provenance.date < record.provenance.date:
                place[run.seed] = record
    return found


def pairs_of(ours: Group, theirs: Group) -> Iterator[tuple[str, str, list[tuple[Record, Record]]]]:
    """Go through the datasets that both were tested on: dataset, split, and pairs of records.

    Of a dataset it is the test split where both have it, else another that both have. Records are paired by
    seed; where the seeds differ and each has one, these two are a pair.
    """
    common = ours.accuracies.keys() & theirs.accuracies.keys()
    for dataset in sorted({dataset for dataset, _ in common}):
        splits = sorted(split for name, split in common if name == dataset)
        split = next((s for s in ("test", "val") if s in splits), splits[0])
        a, b = (group.accuracies[dataset, split] for group in (ours, theirs))
        seeds = sorted(a.keys() & b.keys(), key=lambda seed: -1 if seed is None else seed)
        pairs = [(a[seed], b[seed]) for seed in seeds]
        if not pairs and len(a) == len(b) == 1:
            pairs = [(next(iter(a.values())), next(iter(b.values())))]
        yield dataset, split, pairs


# ---- statistics ----


def _mean_of_classes(counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean IoU over the classes that occur, of (I, 2, C) hits and unions."""
    hits, unions = np.moveaxis(np.tensordot(weights, counts, axes=(1, 0)), 1, 0)
    occurs = unions > 0
    iou = np.divide(hits, unions, out=np.zeros_like(hits), where=occurs)
    count = occurs.sum(-1)
    return 100 * np.divide(iou.sum(-1), count, out=np.full(len(iou), np.nan), where=count > 0)


def _worst_images(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean of the worst 5% of images, of (I,) scores in percent; those without one count not."""
    known = np.flatnonzero(~np.isnan(scores))
    order = known[np.argsort(scores[known])]
    drawn = weights[:, order]
    before = np.cumsum(drawn, axis=1) - drawn
    worst = np.maximum(1, np.floor(WORST * drawn.sum(1, keepdims=True) + 1e-6))
    taken = np.clip(worst - before, 0, drawn)
    count = taken.sum(1)
    return np.divide(taken @ scores[order], count, out=np.full(len(count), np.nan), where=count > 0)


def _mean_of_images(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean over images, of (I,) scores in percent; those without one count not."""
    known = ~np.isnan(scores)
    count = weights[:, known].sum(1)
    total = weights[:, known] @ scores[known]
    return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)


@dataclass(frozen=True)
class _Part:
    """A part of the data: what its counts are of each record, and the score that follows from them."""

    kind: str
    name: str
    images: int
    counts: tuple[tuple[np.ndarray, np.ndarray], ...]  # of each pair: A's and B's, (I, ...)
    statistic: Statistic


def _measure(part: _Part) -> tuple[float, float, Difference]:
    """Return A's and B's score, averaged over pairs, and the difference."""
    images = len(part.counts[0][0])
    alike, weights = np.ones((1, images)), resample_weights(RESAMPLES, images, 0)
    scores = np.array(
        [[part.statistic(counts, alike)[0] for counts in pair] for pair in part.counts]
    )  # (S, 2)
    ours, theirs = scores.mean(0)
    seeds = tuple(range(len(part.counts)))
    draws = np.stack(
        [part.statistic(b, weights) - part.statistic(a, weights) for a, b in part.counts], axis=1
    )  # (R, S)
    if np.isnan(scores).any() or np.isnan(draws).any():
        return ours, theirs, Difference(seeds, None, EMPTY)
    return ours, theirs, Difference(seeds, paired_interval(scores[:, 1] - scores[:, 0], draws))


def _parts(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]],
    classes: Sequence[str],
    sizes: Sequence[tuple[np.ndarray, np.ndarray]],
) -> Iterator[_Part]:
    """Go through the parts of a split.

    Args:
        pairs: confusion matrices (I, C, P) of A and B, of each pair of records.
        classes: names of the C classes.
        sizes: counts by object size of each pair, or none.
    """

    def with_counts(kind: str, name: str, chosen: Callable, statistic: Statistic, images: int) -> _Part:
        return _Part(kind, name, images, tuple((chosen(a), chosen(b)) for a, b in pairs), statistic)

    labelled = pairs[0][0].sum((1, 2))
    images = len(labelled)
    yield with_counts("dataset", "mIoU", hits_and_unions, _mean_of_classes, images)
    yield with_counts("images", "mean of images", _image_scores, _mean_of_images, images)
    worst = max(1, int(WORST * int((labelled > 0).sum()) + 1e-6))
    yield with_counts("images", f"worst {WORST:.0%} of images", _image_scores, _worst_images, worst)
    for number, name in enumerate(classes):
        having = int((pairs[0][0][:, number].sum(1) > 0).sum())

        def of_class(matrices: np.ndarray, number: int = number) -> np.ndarray:
            return hits_and_unions(matrices)[..., [number]]

        yield with_counts("class", name, of_class, _mean_of_classes, having)
    order = np.argsort(labelled, kind="stable")
    thirds = np.array_split(order[labelled[order] > 0], 3)
    if len(thirds[2]) and labelled[thirds[2]].mean() >= SIZE_RATIO * labelled[thirds[0]].mean():
        for third, name in zip(thirds, SIZES, strict=True):
            inside = np.isin(np.arange(images), third)[:, None, None]

            def of_third(matrices: np.ndarray, inside: np.ndarray = inside) -> np.ndarray:
                return hits_and_unions(matrices) * inside

            yield with_counts("image size", f"{name} images", of_third, _mean_of_classes, len(third))
    for number, name in enumerate(SIZES if sizes else ()):
        # Classes without an object of this size in the label have no union here, as in the record's score.
        has = (sizes[0][0][:, number, 2].sum(0) > 0).astype(np.float64)

        def of_size(counts: np.ndarray, number: int = number, has: np.ndarray = has) -> np.ndarray:
            return counts[:, number, :2] * has

        having = int((sizes[0][0][:, number, 2].sum(1) > 0).sum())
        counts = tuple((of_size(a), of_size(b)) for a, b in sizes)
        yield _Part("object size", f"{name} objects", having, counts, _mean_of_classes)


def _image_scores(matrices: np.ndarray) -> np.ndarray:
    """Return each image's mIoU in percent, over the classes in its label; NaN without a labelled pixel.

    So mIoU-I of Wang et al., Revisiting Evaluation Metrics for Semantic Segmentation, NeurIPS 2023
    (arXiv:2310.19252), is the mean over images.
    """
    occurs = matrices.sum(2) > 0
    count = occurs.sum(1)
    total = np.where(occurs, class_iou(matrices), 0).sum(1)
    return 100 * np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)


# ---- the comparison ----


def compare_groups(ours: Group, theirs: Group) -> TwoGroups:
    """Compare two groups on every dataset that both were tested on.

    Args:
        ours: A.
        theirs: B.

    Raises:
        InputError: they have no dataset and split, seed, or images in common.
    """
    rows: list[dict] = []
    images: list[ImageDifference] = []
    notes: list[str] = []
    for dataset, split, pairs in pairs_of(ours, theirs):
        where = f"{dataset}, {split}"
        if not pairs:
            notes.append(f"{where}: not compared: no seed in common.")
            continue
        if any(a.run.seed != b.run.seed for a, b in pairs):
            notes.append(f"{where}: one run each, of seed {pairs[0][0].run.seed} and {pairs[0][1].run.seed}.")
        try:
            names, matrices = _load_pairs(ours, theirs, pairs)
        except ValueError as error:
            notes.append(f"{where}: not compared: {error}.")
            continue
        classes = list(pairs[0][0].details.get("class_iou_percent", ()))
        if len(classes) != matrices[0][0].shape[1]:
            classes = [f"class {number}" for number in range(matrices[0][0].shape[1])]
        for part in _parts(matrices, classes, _load_sizes(ours, theirs, pairs)):
            a, b, difference = _measure(part)
            interval = difference.interval
            rows.append(
                {
                    "dataset": dataset,
                    "split": split,
                    "part": part.kind,
                    "what": part.name,
                    "images": part.images,
                    "seeds": len(pairs),
                    "a_percent": a,
                    "b_percent": b,
                    "difference": b - a,
                    "low": interval.low if interval else None,
                    "high": interval.high if interval else None,
                    "verdict": difference.verdict,
                }
            )
        scores = np.nanmean([[_image_scores(m) for m in pair] for pair in matrices], axis=0)  # (2, I)
        images += [
            ImageDifference(dataset, split, name, float(a), float(b))
            for name, a, b in zip(names, *scores, strict=True)
            if not np.isnan(a - b)
        ]
    if not rows:
        reason = f" ({notes[0]})" if notes else ": no dataset and split that both were tested on"
        raise InputError(f"{ours.name} and {theirs.name} cannot be compared{reason}")
    frame = pd.DataFrame(rows)
    images.sort(key=lambda image: -abs(image.difference))
    return TwoGroups(_table(frame, ours, theirs, notes), tuple(images))


def _table(frame: pd.DataFrame, ours: Group, theirs: Group, notes: Iterable[str]) -> Table:
    resolved = int((frame["low"] > 0).sum() + (frame["high"] < 0).sum())
    columns = (
        *(Column(name, name) for name in ("dataset", "split") if frame[name].nunique() > 1),
        Column("part", "by"),
        Column("what", ""),
        Column("images", "images", ".0f"),
        Column("a_percent", "A (%)", ".2f"),
        Column("b_percent", "B (%)", ".2f"),
        Column("difference", "B - A (points)", "+.2f"),
        Column("low", "95% interval", "+.2f", show=lambda row: f"{row['low']:+.2f} to {row['high']:+.2f}"),
        Column("verdict", "verdict on B"),
    )
    tested = dict.fromkeys(zip(frame["dataset"], frame["split"], strict=True))
    places = ", ".join(f"{dataset} ({split})" for dataset, split in tested)
    counts = " and ".join(str(count) for count in sorted(set(frame["seeds"])))
    said = (
        f"A: {ours.name}. B: {theirs.name}. On {places}; pairs of runs: {counts}.",
        f"{resolved} of {len(frame)} rows are resolved; by chance alone it would be {0.05 * len(frame):.1f}.",
        *notes,
    )
    return Table("two_groups", f"{ours.name} and {theirs.name}", columns, frame, said)


def _load_pairs(
    ours: Group, theirs: Group, pairs: Sequence[tuple[Record, Record]]
) -> tuple[tuple[str, ...], list[tuple[np.ndarray, np.ndarray]]]:
    """Return the names of the images, and the confusion matrices of each pair.

    Raises:
        ValueError: a record keeps none, or they are of other images.
    """
    names: tuple[str, ...] | None = None
    loaded = []
    for pair in pairs:
        found = []
        for group, record in zip((ours, theirs), pair, strict=True):
            images, matrices = group.evidence.matrices(record_name(record))
            if names is not None and images != names:
                raise ValueError("tested on different images")
            names = images
            found.append(matrices)
        if found[0].shape[:2] != found[1].shape[:2]:
            raise ValueError("tested with different classes")
        loaded.append((found[0], found[1]))
    return names or (), loaded


def _load_sizes(
    ours: Group, theirs: Group, pairs: Sequence[tuple[Record, Record]]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the counts by object size of each pair; none where a record keeps none."""
    loaded = []
    for pair in pairs:
        found = []
        for group, record in zip((ours, theirs), pair, strict=True):
            details = read_record(group.evidence.paths[record_name(record)]).details
            if "per_image_object_size" not in details:
                return []
            found.append(unpack(details["per_image_object_size"]).astype(np.float64))
        loaded.append((found[0], found[1]))
    return loaded
