"""The measures besides accuracy of the weights that a report shows, as totals and for each image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from lednet_mm.evaluation.confusion import unpack
from lednet_mm.evaluation.corruptions import NAMES, Corruption
from lednet_mm.records import Record, in_plain_pytorch
from lednet_mm.reports.differences import CountedImages, Difference, Differences, read_images, read_names
from lednet_mm.reports.reading import Evidence
from lednet_mm.reports.runs import ChosenRuns, record_name
from lednet_mm.statistics import class_counts, mean_ratio

GROUP = ("study", "dataset", "network", "variant", "split")
VALUES = (
    *("ece_percent", "confidence_percent", "boundary_iou_percent"),
    *("iou_small_percent", "iou_medium_percent", "iou_large_percent"),
)
"""Values of accuracy records that no other section shows."""


@dataclass(frozen=True)
class MeasuredRun:
    """What was measured of one run's weights on one split.

    Attributes:
        group: values of the columns in ``GROUP``.
        accuracy: record of the accuracy on clean images that the report shows.
        newest: newest record of each of ``VALUES``, by the name of the value.
        corrupted: record of the accuracy with each corruption.
    """

    group: tuple
    accuracy: Record
    newest: Mapping[str, Record]
    corrupted: Mapping[Corruption, Record]


def measured_runs(records: Iterable[Record], chosen: ChosenRuns) -> list[MeasuredRun]:
    """Return what was measured of the weights whose accuracies a report shows.

    Args:
        records: records of any kind, oldest first.
        chosen: runs with the accuracies that are shown.
    """
    measured: dict[tuple, list[Record]] = {}
    for record in records:
        more = record.kind == "accuracy" and any(record.values.get(name) is not None for name in VALUES)
        if (more or record.kind == "corruption") and in_plain_pytorch(record):
            measured.setdefault(_weights_of(record), []).append(record)
    runs = []
    for splits in chosen.accuracies.values() if measured else ():
        for split, accuracy in splits.items():
            found = measured.get(_weights_of(accuracy), [])
            newest = {
                name: record
                for record in found
                for name in VALUES
                if record.kind == "accuracy" and record.values.get(name) is not None
            }
            corrupted = {
                Corruption(record.details["corruption"], record.details["severity"]): record
                for record in found
                if record.kind == "corruption" and record.values["miou_percent"] is not None
            }
            if newest or corrupted:
                run = accuracy.run
                group = (run.study, run.dataset, run.network, run.variant, split)
                runs.append(MeasuredRun(group, accuracy, newest, corrupted))
    return sorted(runs, key=lambda run: tuple(map(str, run.group)))


def _weights_of(record: Record) -> tuple:
    """Return a key that two records share if they are of the same weights, tested in the same way."""
    return (
        tuple(record.run.model_dump().values()),
        record.provenance.checkpoint_sha256,
        record.config.sha256,
        record.details["split"],
        bool(record.details.get("tta")),
    )


def read_calibration(evidence: Evidence, run: MeasuredRun) -> np.ndarray | None:
    """Return the (3, 15) calibration counts of a run over all images; None if its record has none."""
    record = run.newest.get("ece_percent")
    details = evidence.whole(record_name(record)).details if record else {}
    return unpack(details["per_image_calibration"]).sum(0) if "per_image_calibration" in details else None


# ---- differences ----


def _calibration_error(counts: np.ndarray) -> np.ndarray:
    """Return the expected calibration error in percent: (R, 3, 15) -> (R,)."""
    pixels, confidence, hits = np.moveaxis(counts, 1, 0)
    total = pixels.sum(1)
    error = np.abs(hits - confidence).sum(1)
    return 100 * np.divide(error, total, out=np.full(len(total), np.nan), where=total > 0)


def _boundary_iou(counts: np.ndarray) -> np.ndarray:
    """Return the boundary IoU in percent: (R, 2, C) -> (R,)."""
    return 100 * mean_ratio(counts[:, 0], counts[:, 1])


COUNTED: Mapping[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "ece_percent": ("per_image_calibration", _calibration_error),
    "boundary_iou_percent": ("per_image_boundary", _boundary_iou),
}
"""For each value, the detail with its counts by image, and the function that computes it from their sums."""
RETENTION = "retention_percent"
CORRUPTED = "corrupted_percent"


def _corrupted_miou(counts: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Return the mean mIoU on corrupted images, in percent.

    Args:
        counts: (R, K, 2, C) hits and unions of the images with each of K corruptions.
        names: names of the K corruptions. A name occurs once for each severity, and severities are averaged
            first.

    Returns:
        (R,) means over the names in percent.
    """
    miou = 100 * mean_ratio(counts[:, :, 0], counts[:, :, 1])  # (R, K)
    of_name = [[i for i, other in enumerate(names) if other == name] for name in dict.fromkeys(names)]
    return np.mean([miou[:, places].mean(1) for places in of_name], axis=0)


def _retention(counts: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Return the share of the clean mIoU that is kept, in percent.

    Args:
        counts: (R, 1 + K, 2, C) hits and unions of the clean images, followed by those of
            :func:`_corrupted_miou`.
        names: names of the K corruptions.
    """
    clean = mean_ratio(counts[:, 0, 0], counts[:, 0, 1])
    kept = _corrupted_miou(counts[:, 1:], names)
    return np.divide(kept, clean, out=np.full(len(clean), np.nan), where=clean > 0)


class MeasureDifferences:
    """Computes differences of the measures between runs, from the counts by image in their records.

    Args:
        evidence: records and their files, which are read again.
        runs: what was measured of each run.
    """

    def __init__(self, evidence: Evidence, runs: Iterable[MeasuredRun]) -> None:
        self._evidence = evidence
        self._runs = {record_name(run.accuracy): run for run in runs}
        loads = {name: partial(self._load_counts, name) for name in COUNTED}
        self._differences = {name: Differences(load, (name,)) for name, load in loads.items()}
        self._differences |= {
            name: Differences(partial(self._load_corrupted, name), (name,))
            for name in (RETENTION, CORRUPTED, *NAMES)
        }

    def between(
        self, measure: str, variant: Mapping[int | None, str], baseline: Mapping[int | None, str]
    ) -> Difference:
        """Return the difference variant - baseline with its interval, on the seeds that both have.

        A seed counts only if both were measured on it in the same way.

        Args:
            measure: ``ece_percent``, ``boundary_iou_percent``, ``retention_percent``, ``corrupted_percent``
                (the mean mIoU on corrupted images) or a corruption, which stands for the mean mIoU with it.
            variant: accuracies of the variant on clean images.
            baseline: accuracies of the baseline on clean images.
        """
        ours, theirs = (
            {seed: name for seed, name in seeds.items() if self.tested_with(measure, name)}
            for seeds in (variant, baseline)
        )
        alike = [
            seed
            for seed in ours.keys() & theirs.keys()
            if self.tested_with(measure, ours[seed]) == self.tested_with(measure, theirs[seed])
        ]
        ours, theirs = ({seed: seeds[seed] for seed in alike} for seeds in (ours, theirs))
        return self._differences[measure].between(ours, theirs, measure)

    def tested_with(self, measure: str, name: str) -> frozenset:
        """Return what two runs must have in common to be compared by a measure; empty if it is missing.

        Args:
            measure: as in :meth:`between`.
            name: accuracy of a run on clean images.
        """
        run = self._runs.get(name)
        if run is None:
            return frozenset()
        if measure in COUNTED:
            return frozenset({measure} & run.newest.keys())
        return frozenset(_chosen_corruptions(measure, run))

    def _load_counts(self, measure: str, name: str) -> CountedImages:
        key, statistic = COUNTED[measure]
        record = self._evidence.whole(record_name(self._runs[name].newest[measure]))
        if key not in record.details:
            raise ValueError(f"{record.kind}-{record.id} keeps no counts by image")
        counts = unpack(record.details[key])
        return CountedImages(*read_names(record, len(counts)), counts, statistic)

    def _load_corrupted(self, measure: str, name: str) -> CountedImages:
        run = self._runs[name]
        corruptions = _chosen_corruptions(measure, run)
        records = [run.corrupted[corruption] for corruption in corruptions]
        if measure == RETENTION:
            records.insert(0, run.accuracy)
        images = [read_images(self._evidence.whole(record_name(record))) for record in records]
        if len({tested.what for tested in images}) > 1:
            raise ValueError("clean and corrupted images differ")
        counts = np.stack([class_counts(tested.matrices)[:, :2] for tested in images], axis=1)
        names = tuple(corruption.name for corruption in corruptions)
        statistic = partial(_retention if measure == RETENTION else _corrupted_miou, names=names)
        return CountedImages(images[0].names, images[0].frames, counts, statistic)


def _chosen_corruptions(measure: str, run: MeasuredRun) -> list[Corruption]:
    """Return the corruptions of a run that a measure of :meth:`MeasureDifferences.between` takes."""
    one = measure if measure in NAMES else None
    return sorted(corruption for corruption in run.corrupted if one in (None, corruption.name))


def describe_corruptions(found: Iterable[Corruption]) -> str:
    """Describe in words which corruptions were tested, at which severities."""
    by_name: dict[str, list[int]] = {}
    for corruption in sorted(found):
        by_name.setdefault(corruption.name, []).append(corruption.severity)
    severities = {tuple(each) for each in by_name.values()}
    kinds = f"all {len(NAMES)}" if len(by_name) == len(NAMES) else str(len(by_name))
    if len(severities) > 1:
        return f"{kinds}, several severities"
    return f"{kinds}, severity {', '.join(map(str, severities.pop()))}"
