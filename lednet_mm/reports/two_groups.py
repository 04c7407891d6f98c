"""Compare two runs, or two groups of runs: where they differ, with which uncertainty, and on which images.

Differences are B - A in percentage points, paired by seed and image, with the interval of
:func:`lednet_mm.statistics.paired_interval`, as in a report.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lednet_mm.errors import InputError, suggest
from lednet_mm.evaluation.confusion import unpack
from lednet_mm.evaluation.object_size import SIZES
from lednet_mm.records import Record
from lednet_mm.reports.differences import Difference, TestedImages, describe_method
from lednet_mm.reports.reading import Evidence, read_evidence
from lednet_mm.reports.runs import choose_runs, record_name
from lednet_mm.reports.summary import network_name
from lednet_mm.reports.tables import Column, Table
from lednet_mm.statistics import (
    LEVEL,
    SCORES,
    WORST,
    choose_blocks,
    class_counts,
    mean_ratio,
    paired_interval,
    resampled_scores,
    resampled_statistic,
    score_images,
    spread_over_seeds,
)
from lednet_mm.text import DEFAULT

SIZE_RATIO = 2
"""Images are compared by size if the largest third has at least this many times the pixels of the
smallest third."""
EMPTY = "too few of the images have it"
WHOLE = dict(
    zip(
        SCORES,
        (
            ("dataset", "mIoU"),
            ("images", "mean of images"),
            ("images", "mean of classes of images"),
            ("images", f"worst {WORST:.0%} of images"),
        ),
        strict=True,
    )
)
"""For each score over all images, the kind and the name of its row."""

Scored = tuple[float, np.ndarray]
"""A score of a run in percent, and its (R,) values with resampled images."""


@dataclass(frozen=True)
class Group:
    """Runs of one network and variant.

    Attributes:
        name: name of the group for tables and messages.
        evidence: evidence with the records of the runs.
        accuracies: accuracy records by (dataset, split) and seed.
    """

    name: str
    evidence: Evidence
    accuracies: Mapping[tuple[str, str], Mapping[int | None, Record]]


@dataclass(frozen=True)
class ImageDifference:
    """An image on which two groups differ.

    Attributes:
        dataset: dataset of the image.
        split: split of the image.
        name: name of the image's file.
        ours: mIoU of group A on this image in percent, averaged over seeds.
        theirs: mIoU of group B on this image in percent, averaged over seeds.
    """

    dataset: str
    split: str
    name: str
    ours: float
    theirs: float

    @property
    def difference(self) -> float:
        """The difference B - A in percentage points."""
        return self.theirs - self.ours


@dataclass(frozen=True)
class TwoGroups:
    """The comparison of two groups.

    Attributes:
        table: table with one row for each part of the data.
        images: images of all datasets, those that differ most first.
    """

    table: Table
    images: tuple[ImageDifference, ...]


# ---- which runs ----


def find_groups(named: Sequence[str], folders: Sequence[str]) -> list[Group]:
    """Find groups of runs.

    Args:
        named: folders of runs, or texts ``network`` or ``network:variant``.
        folders: folders in which networks are looked for.

    Raises:
        InputError: a folder or network does not exist, has no accuracy, or a folder has several networks.
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
    """Return the newest accuracies by (network, variant), (dataset, split) and seed."""
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
    """Yield the datasets on which both groups were tested, each as (dataset, split, pairs of records).

    The split is test if both groups have it, otherwise another one that both have. Records are paired by
    seed. If each group has a single record, the two are a pair even if their seeds differ.
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


@dataclass(frozen=True)
class _Part:
    """A part of the data, and the scores on it.

    Attributes:
        kind: kind of the part.
        name: name of the part for tables.
        images: number of images that have something of the part.
        runs: scores of A and B in each pair.
    """

    kind: str
    name: str
    images: int
    runs: tuple[tuple[Scored, Scored], ...]


def _measure(part: _Part, tested: TestedImages) -> tuple[float, float, Difference]:
    """Return the scores of A and B, averaged over pairs, and their difference."""
    scores = np.array([[ours[0], theirs[0]] for ours, theirs in part.runs])  # (S, 2)
    draws = np.stack([theirs[1] - ours[1] for ours, theirs in part.runs], axis=1)  # (R, S)
    seeds = tuple(range(len(part.runs)))
    a, b = scores.mean(0)
    if np.isnan(scores).any() or np.isnan(draws).any():
        return a, b, Difference(seeds, None, EMPTY)
    spread = spread_over_seeds(scores[:, 1] - scores[:, 0], draws, choose_blocks(tested.known_frames))
    known = tested.frames is not None
    return a, b, Difference(seeds, paired_interval(spread), frames_known=known, spread=spread)


def _mean_of_classes(counts: np.ndarray) -> np.ndarray:
    """Return the mean IoU in percent over the classes that occur, from hits and unions: (R, 2, C) -> (R,)."""
    return 100 * mean_ratio(counts[:, 0], counts[:, 1])


def _parts(
    pairs: Sequence[tuple[TestedImages, TestedImages]],
    classes: Sequence[str],
    sizes: Sequence[tuple[np.ndarray, np.ndarray]],
) -> Iterator[_Part]:
    """Yield the parts of a split.

    Args:
        pairs: images of A and B in each pair of records, which are the same images.
        classes: names of the C classes.
        sizes: counts by object size of each pair; empty if there are none.
    """
    first = pairs[0][0]
    frames = first.known_frames
    labelled = first.matrices.sum((1, 2))
    images = len(labelled)
    whole = [tuple(resampled_scores(run.matrices, frames, tuple(WHOLE)) for run in pair) for pair in pairs]
    worst = max(1, int(WORST * int((labelled > 0).sum()) + 1e-6))
    for score, (kind, name) in WHOLE.items():
        having = worst if name.startswith("worst") else images
        yield _Part(kind, name, having, tuple((ours[score], theirs[score]) for ours, theirs in whole))

    counts = [tuple(class_counts(run.matrices)[:, :2] for run in pair) for pair in pairs]  # (I, 2, C)

    def scored(kind: str, name: str, having: int, counted: Iterable[tuple[np.ndarray, ...]]) -> _Part:
        runs = (
            tuple(resampled_statistic(of_run, frames, _mean_of_classes) for of_run in pair)
            for pair in counted
        )
        return _Part(kind, name, having, tuple((ours, theirs) for ours, theirs in runs))

    for number, name in enumerate(classes):
        having = int((first.matrices[:, number].sum(1) > 0).sum())
        of_class = [tuple(of_run[..., [number]] for of_run in pair) for pair in counts]
        yield scored("class", name, having, of_class)
    order = np.argsort(labelled, kind="stable")
    thirds = np.array_split(order[labelled[order] > 0], 3)
    if len(thirds[2]) and labelled[thirds[2]].mean() >= SIZE_RATIO * labelled[thirds[0]].mean():
        for third, name in zip(thirds, SIZES, strict=True):
            inside = np.isin(np.arange(images), third)[:, None, None]
            of_third = [tuple(of_run * inside for of_run in pair) for pair in counts]
            yield scored("image size", f"{name} images", len(third), of_third)
    for number, name in enumerate(SIZES if sizes else ()):
        # Classes without an object of this size in the label have no union here, as in the record's score.
        pixels = sizes[0][0][:, number, 2]
        has = pixels.sum(0) > 0
        of_size = [tuple(of_run[:, number, :2] * has for of_run in pair) for pair in sizes]
        yield scored("object size", f"{name} objects", int((pixels.sum(1) > 0).sum()), of_size)


def _image_scores(tested: TestedImages) -> np.ndarray:
    """Return the mIoU of each image in percent over the classes in its label: (I,); NaN without a label."""
    return np.array([score_images(one[None])["miou_i_percent"] for one in tested.matrices])


# ---- the comparison ----


def compare_groups(ours: Group, theirs: Group) -> TwoGroups:
    """Compare two groups on every dataset on which both were tested.

    Args:
        ours: group A.
        theirs: group B.

    Raises:
        InputError: the groups have no dataset and split, no seed, or no images in common.
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
            tested = _load_pairs(ours, theirs, pairs)
        except ValueError as error:
            notes.append(f"{where}: not compared: {error}.")
            continue
        classes = list(pairs[0][0].details.get("class_iou_percent", ()))
        count = tested[0][0].matrices.shape[1]
        if len(classes) != count:
            classes = [f"class {number}" for number in range(count)]
        for part in _parts(tested, classes, _load_sizes(ours, theirs, pairs)):
            a, b, difference = _measure(part, tested[0][0])
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
                    "_sampling": difference.sampling,
                }
            )
        scores = np.mean([[_image_scores(run) for run in pair] for pair in tested], axis=0)  # (2, I)
        images += [
            ImageDifference(dataset, split, name, float(a), float(b))
            for name, a, b in zip(tested[0][0].names, *scores, strict=True)
            if not np.isnan(a - b)
        ]
    if not rows:
        reason = f" ({notes[0]})" if notes else ": no dataset and split that both were tested on"
        raise InputError(f"{ours.name} and {theirs.name} cannot be compared{reason}")
    frame = pd.DataFrame(rows)
    images.sort(key=lambda image: -abs(image.difference))
    return TwoGroups(_table(frame, ours, theirs, notes), tuple(images))


def _table(frame: pd.DataFrame, ours: Group, theirs: Group, notes: Iterable[str]) -> Table:
    known = frame.dropna(subset=["low"])
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
        f"{resolved} of {len(frame)} rows are resolved; by chance alone it would be "
        f"{(1 - LEVEL) * len(frame):.1f}.",
        *(describe_method(taken["_sampling"], taken["seeds"]) for taken in [known] if len(taken)),
        *notes,
    )
    return Table("two_groups", f"{ours.name} and {theirs.name}", columns, frame, said)


def _load_pairs(
    ours: Group, theirs: Group, pairs: Sequence[tuple[Record, Record]]
) -> list[tuple[TestedImages, TestedImages]]:
    """Return the tested images of each pair.

    Raises:
        ValueError: a record keeps no matrices, or two records have different images or classes.
    """
    loaded: list[tuple[TestedImages, TestedImages]] = []
    for a, b in pairs:
        pair = ours.evidence.matrices(record_name(a)), theirs.evidence.matrices(record_name(b))
        first = loaded[0][0] if loaded else pair[0]
        for tested in pair:
            if tested.names != first.names:
                raise ValueError("tested on different images")
            if tested.matrices.shape[:2] != first.matrices.shape[:2]:
                raise ValueError("tested with different classes")
            if tested.frames != first.frames:
                raise ValueError("records differ in which images belong together")
        loaded.append(pair)
    return loaded


def _load_sizes(
    ours: Group, theirs: Group, pairs: Sequence[tuple[Record, Record]]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the counts by object size of each pair; empty if a record keeps none."""
    loaded = []
    for pair in pairs:
        found = []
        for group, record in zip((ours, theirs), pair, strict=True):
            details = group.evidence.whole(record_name(record)).details
            if "per_image_object_size" not in details:
                return []
            found.append(unpack(details["per_image_object_size"]).astype(np.float64))
        loaded.append((found[0], found[1]))
    return loaded
