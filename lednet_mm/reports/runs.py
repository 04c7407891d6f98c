"""Choose the records that a report shows of each run: one training, and the accuracies of its weights.

Network, dataset, variant, seed and study are not enough to tell runs apart, because they are the same for
another learning rate, an earlier checkpoint, or a test under another config. Notes name the records that are
not shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from lednet_mm.literals import read_literals
from lednet_mm.records import Record, in_plain_pytorch, sort_records
from lednet_mm.reports.recipes import recipe_of

KEY = ["study", "dataset", "network", "variant", "seed"]
NOTES = 20
"""The largest number of notes on records that are not shown; further ones are only counted."""


@dataclass(frozen=True)
class ChosenRuns:
    """What a report shows of each run; the keys are tuples in the order of ``KEY``.

    Attributes:
        trainings: records of the training that is shown, one for each time that it was continued, in the
            order of their iterations.
        accuracies: accuracies of that training's weights, by split. With test-time augmentation, the split is
            ``test (augmented)``.
        notes: one line for each thing that is left out.
    """

    trainings: dict[tuple, list[Record]]
    accuracies: dict[tuple, dict[str, Record]]
    notes: tuple[str, ...]


def record_name(record: Record) -> str:
    """Return a record's name, which is the stem of its file's name."""
    return f"{record.kind}-{record.id}"


def key_of(record: Record) -> tuple:
    """Return what identifies a run, in the order of ``KEY``."""
    run = record.run
    return (run.study, run.dataset, run.network, run.variant, run.seed)


def choose_runs(records: Iterable[Record]) -> ChosenRuns:
    """Choose what is shown of each run.

    Of several trainings, it is the one with the most iterations, and among equals the newest. The date alone
    would not do, because a clock may have been set back. An accuracy belongs to the training if it was
    measured with the training's checkpoint or, if the checkpoint is not known, under the training's config.
    If there is no training, the newest accuracy is shown, together with those of the same weights.

    Args:
        records: records of any kind, in any order.
    """
    trained: dict[tuple, list[Record]] = {}
    measured: dict[tuple, list[Record]] = {}
    for record in sort_records(records):
        if record.kind == "train" or (record.kind == "accuracy" and in_plain_pytorch(record)):
            kind = trained if record.kind == "train" else measured
            kind.setdefault(key_of(record), []).append(record)
    trainings: dict[tuple, list[Record]] = {}
    accuracies: dict[tuple, dict[str, Record]] = {}
    notes = []
    for key in dict.fromkeys([*trained, *measured]):
        done = sorted(trained.get(key, []), key=lambda record: record.values["iterations"])
        found = measured.get(key, [])
        others = [training for training in done if not _continues(done[-1], training)]
        if done:
            trainings[key] = [training for training in done if training not in others]
        if others:
            notes.append(_note_of_trainings(done[-1], others))
        if done:
            shown = [t for t in trainings[key] if t.values["iterations"] == done[-1].values["iterations"]]
        else:
            shown = sorted(found, key=lambda a: (not _differs(a), a.details["split"] == "test"))[-1:]
        chosen, odd = _choose_accuracies(found, shown)
        if chosen:
            accuracies[key] = chosen
        notes += [
            f"{record_name(a)} is left out: {_title(a)}: not of the weights, or not under the config, of "
            f"{record_name(shown[-1])}."
            for a in odd
            if not any(_is_of(a, training) for training in done if training not in shown)
        ]
        notes += [
            f"{record_name(a)}: {_title(a)}: tested under another config than trained under: "
            f"{'; '.join(text[:200] for text in _differs(a)[:3])}."
            for a in chosen.values()
            if _differs(a)
        ]
    notes += _notes_of_checkpoints([*trained.values(), *measured.values()])
    if len(notes) > NOTES:
        notes[NOTES:] = [f"{len(notes) - NOTES} more records are left out or odd."]
    return ChosenRuns(trainings, accuracies, tuple(notes))


def _choose_accuracies(
    found: Sequence[Record], shown: Sequence[Record]
) -> tuple[dict[str, Record], list[Record]]:
    """Choose the accuracies that belong to the training that is shown.

    Args:
        found: all accuracies of the run.
        shown: records of the training, or of one accuracy if there is no training.

    Returns:
        The accuracies that belong to one of these records, by split, and those that do not.
    """
    ranked = sorted(found, key=lambda a: max((_rank(a, record) for record in shown), default=(0, 0)))
    chosen = {_split(a): a for a in ranked if any(_belongs(a, record) for record in shown)}
    odd = []
    for accuracy in found:
        of_split = chosen.get(_split(accuracy))
        if of_split is None or not _same_weights(accuracy, of_split):
            odd.append(accuracy)
    return chosen, odd


def _split(accuracy: Record) -> str:
    tile = accuracy.details.get("tile")
    tiled = f" (tiles of {tile[0]}x{tile[1]})" if tile else ""
    return accuracy.details["split"] + (" (augmented)" if accuracy.details.get("tta") else "") + tiled


def _differs(accuracy: Record) -> list[str]:
    return accuracy.details.get("differs") or []


def _rank(accuracy: Record, record: Record) -> tuple[bool, bool]:
    return not _differs(accuracy), accuracy.config.sha256 == record.config.sha256


def _same_weights(one: Record, other: Record) -> bool:
    """Return whether two records have the same config and, if both name a checkpoint, the same weights."""
    mine, theirs = one.provenance.checkpoint_sha256, other.provenance.checkpoint_sha256
    return one.config.sha256 == other.config.sha256 and (mine == theirs or None in (mine, theirs))


def _is_of(accuracy: Record, training: Record) -> bool:
    sha = accuracy.provenance.checkpoint_sha256
    return sha == training.provenance.checkpoint_sha256 if sha else _same_weights(accuracy, training)


def _belongs(accuracy: Record, record: Record) -> bool:
    """Return whether an accuracy was measured with the weights of another record."""
    mine, theirs = accuracy.provenance.checkpoint_sha256, record.provenance.checkpoint_sha256
    if mine and theirs and mine == theirs:
        return True
    if accuracy.config.sha256 == record.config.sha256:
        return not (mine and theirs)
    if mine and theirs:
        return _is_older(record)
    return recipe_of(accuracy.config.text) == recipe_of(record.config.text) or _is_older(record)


def _is_older(record: Record) -> bool:
    """Return whether a record comes from a version that did not keep configs as literals.

    Such a config cannot be compared with others.
    """
    try:
        read_literals(record.config.text)
    except ValueError:
        return True
    return False


def _continues(longest: Record, other: Record) -> bool:
    """Return whether two records are of one training, which was continued or recorded twice."""
    begun = [(record.details.get("ranges") or [{}])[0].get("date") for record in (longest, other)]
    if None in begun:
        return longest.config.sha256 == other.config.sha256
    return begun[0] == begun[1]


def _title(record: Record) -> str:
    run = record.run
    parts = (
        run.study,
        run.network,
        run.variant,
        run.dataset,
        None if run.seed is None else f"seed {run.seed}",
    )
    split = f", {_split(record)}" if record.kind == "accuracy" else ""
    return ", ".join(filter(None, parts)) + split


def _note_of_trainings(shown: Record, others: Sequence[Record]) -> str:
    left = ", ".join(
        f"{record_name(other)} ({other.values['iterations']} iterations)" for other in others[:5]
    )
    more = f" and {len(others) - 5} more" if len(others) > 5 else ""
    return (
        f"{_title(shown)}: {len(others) + 1} different trainings; {record_name(shown)} "
        f"({shown.values['iterations']} iterations) is shown, and left out with their accuracies are "
        f"{left}{more}."
    )


def _notes_of_checkpoints(groups: Iterable[Sequence[Record]]) -> list[str]:
    """Return a note for each checkpoint to which records of different networks or seeds refer."""
    pairs = sorted(
        (record.provenance.checkpoint_sha256, _trained_as(record), record_name(record))
        for group in groups
        for record in group
        if record.provenance.checkpoint_sha256 and record.run.seed is not None
    )
    notes = []
    for _, same in groupby(pairs, key=lambda pair: pair[0]):
        names = {trained_as: name for _, trained_as, name in same}
        if len(names) > 1:
            notes.append(f"Different runs say that one checkpoint is theirs: {', '.join(names.values())}.")
    return notes


def _trained_as(record: Record) -> tuple[str, str, int]:
    return record.run.network, record.run.variant, record.run.seed or 0
