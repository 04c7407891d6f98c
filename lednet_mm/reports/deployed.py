"""The accuracy of deployed forms (other engines, precisions, files) beside that of their checkpoints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lednet_mm.errors import InputError
from lednet_mm.records import Record, in_plain_pytorch, read_record, read_records, sort_records
from lednet_mm.reports.differences import Difference, Differences, read_images
from lednet_mm.reports.latencies import Condition, Speedup, condition_of, speedup
from lednet_mm.reports.runs import key_of, record_name
from lednet_mm.timing.backends import Backend

WITHIN = (0.1, 0.5, 1.0)
"""The losses of mIoU, in points, for which the fastest form is named."""


def backend_of(record: Record) -> Backend:
    """Return engine, precision and form of a record of accuracy or latency."""
    details = record.details
    deployed = bool(details.get("deployed", False))
    return Backend(details.get("engine", "eager"), record.provenance.precision, deployed)


@dataclass(frozen=True)
class Form:
    """A form in which trained weights were tested on a split.

    Attributes:
        backend: engine, precision, and whether the network is in its deployment form.
        accuracy: newest record of its accuracy.
        difference: difference of its mIoU to that of the checkpoint in plain PyTorch.
        latency: newest record of its latency with the same weights; None if it was not timed.
    """

    backend: Backend
    accuracy: Record
    difference: Difference
    latency: Record | None

    @property
    def miou(self) -> float:
        """The mIoU in percent; NaN if it is not known."""
        value = self.accuracy.values["miou_percent"]
        return float("nan") if value is None else value

    @property
    def milliseconds(self) -> float:
        """The median latency; NaN if it was not timed."""
        return self.latency.values["latency_ms_p50"] if self.latency else float("nan")


@dataclass(frozen=True)
class Weights:
    """The forms of the weights of one checkpoint that were tested on one split.

    Attributes:
        plain: the checkpoint in plain PyTorch; None if there is no record of it.
        forms: all forms, with the plain one, the fastest first and those that were not timed last.
        condition: condition of the latencies, without engine, precision and form; None without latencies.
    """

    plain: Form | None
    forms: tuple[Form, ...]
    condition: Condition | None

    def speedup(self, form: Form) -> Speedup | None:
        """Return how many times as fast a form is as the plain one; None if one of them was not timed."""
        if self.plain is None or self.plain.latency is None or form.latency is None:
            return None
        return speedup(self.plain.latency, form.latency)

    def fastest_within(self, points: float) -> Form | None:
        """Return the fastest form that loses at most so many points to the plain one, if any is timed."""
        if self.plain is None:
            return None
        least = self.plain.miou - points
        return next((f for f in self.forms if f.latency is not None and f.miou >= least), None)


def collect_forms(records: Iterable[Record], differences: Differences) -> list[Weights]:
    """Return the weights that were tested in a deployed form, by their run and split.

    Args:
        records: records of any kind.
        differences: differences between any of these records of accuracy.
    """
    tested: dict[tuple, dict[Backend, Record]] = {}
    timed: dict[tuple, dict[tuple[Backend, Condition], Record]] = {}
    for record in sort_records(records):
        sha256, run = record.provenance.checkpoint_sha256, record.run
        if sha256 is None:
            continue
        if record.kind == "accuracy" and not record.details.get("tta"):
            key = (*key_of(record), record.details["split"], sha256)
            tested.setdefault(key, {})[backend_of(record)] = record
        elif record.kind == "latency":
            condition = replace(condition_of(record), engine="", precision="", deployed=False)
            by_condition = timed.setdefault((run.dataset, run.network, run.variant, sha256), {})
            by_condition[backend_of(record), condition] = record
    found = []
    for key, accuracies in sorted(tested.items(), key=lambda item: str(item[0])):
        if all(in_plain_pytorch(record) for record in accuracies.values()):
            continue
        latencies = timed.get((*key[1:4], key[-1]), {})
        counts = Counter(condition for backend, condition in latencies if backend in accuracies)
        best: Condition | None = max(counts, key=lambda c: (counts[c], str(c)), default=None)
        plain = next((r for r in reversed([*accuracies.values()]) if in_plain_pytorch(r)), None)
        forms = [
            Form(
                backend,
                record,
                difference_to(record, plain, differences),
                latencies.get((backend, best)) if best else None,
            )
            for backend, record in accuracies.items()
        ]
        forms.sort(key=lambda form: (form.latency is None, form.milliseconds, str(form.backend)))
        of_plain = next((form for form in forms if form.accuracy is plain), None)
        found.append(Weights(of_plain, tuple(forms), best))
    return found


def difference_to(record: Record, plain: Record | None, differences: Differences) -> Difference:
    """Return the difference of a form's mIoU to that of its checkpoint, paired by image."""
    if plain is None:
        return Difference((), None, "no record of the checkpoint in plain PyTorch")
    if plain is record:
        return Difference((), None)
    return differences.between({None: record_name(record)}, {None: record_name(plain)})


def compare_with_checkpoint(
    path: str | Path, places: Sequence[str | Path]
) -> tuple[Record, Difference] | None:
    """Compare the accuracy of a deployed form with the newest one of its checkpoint in plain PyTorch.

    Args:
        path: record of the form's accuracy.
        places: records, and folders in which records are looked for.

    Returns:
        The record of the checkpoint, and the difference to it; None if there is no such record.

    Raises:
        InputError: a place does not exist, or a record is damaged.
    """
    ours = read_record(path)
    candidates: list[Record] = []
    for place in places:
        if Path(place).is_dir():
            candidates += read_records([place])[0]
            continue
        try:
            candidates.append(read_record(place))
        except ValueError as error:
            raise InputError(f"{place}: {error}") from error
    same = [
        record
        for record in sort_records(candidates)
        if record.kind == "accuracy"
        and in_plain_pytorch(record)
        and record.provenance.checkpoint_sha256 == ours.provenance.checkpoint_sha256 is not None
        and record.details["split"] == ours.details["split"]
        and bool(record.details.get("tta")) == bool(ours.details.get("tta"))
        and record.details.get("per_image_names") == ours.details.get("per_image_names")
    ]
    if not same:
        return None
    by_name = {record_name(record): record for record in (ours, same[-1])}
    differences = Differences(lambda name: read_images(by_name[name]))
    return same[-1], difference_to(ours, same[-1], differences)
