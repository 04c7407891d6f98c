"""Which records make one run: of several trainings the one that is shown, and its weights' accuracies.

Network, dataset, variant, seed and study do not make a run alone: another learning rate, an earlier
checkpoint or a test under another config have the same. What is not shown is named in a note.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from lednet_mm.literals import read_literals
from lednet_mm.records import Record, sort_records
from lednet_mm.reports.recipes import recipe_of

KEY = ["study", "dataset", "network", "variant", "seed"]
NOTES = 20
"""The largest number of notes on records that are not shown; the rest is counted."""


@dataclass(frozen=True)
class ChosenRuns:
    """What a report shows of each run; keys are as in ``KEY``.

    Attributes:
        trainings: records of the training that is shown, one for each time that it was continued, the last of
            them last.
        accuracies: split -> the accuracy of that training's weights. One with test-time augmentation is of a
            split of its own, ``test (augmented)``.
        notes: one line for each thing that is left out.
    """

    trainings: dict[tuple, list[Record]]
    accuracies: dict[tuple, dict[str, Record]]
    notes: tuple[str, ...]


def record_name(record: Record) -> str:
    """Return a record's name, which is its file's."""
    return f"{record.kind}-{record.id}"


def key_of(record: Record) -> tuple:
    """Return what a training and its accuracies have in common, in the order of ``KEY``."""
    run = record.run
    return (run.study, run.dataset, run.network, run.variant, run.seed)


def choose_runs(records: Iterable[Record]) -> ChosenRuns:
    """Choose what is shown of each run.

    Of several trainings it is the one with most iterations, and of these the newest: a clock may have been
    set back. An accuracy belongs to it that was measured with its checkpoint or, where that is not known,
    under its config. Without a training the newest accuracy counts, with those of the same weights.

    Args:
        records: records of any kind, in any order.
    """
    trained: dict[tuple, list[Record]] = {}
    measured: dict[tuple, list[Record]] = {}
    for record in sort_records(records):
        if record.kind in ("train", "accuracy"):
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
    """Return the accuracies that belong to one of some records, by split, and the others."""
    ranked = sorted(found, key=lambda a: max((_rank(a, record) for record in shown), default=(0, 0)))
    chosen = {_split(a): a for a in ranked if any(_belongs(a, record) for record in shown)}
    odd = []
    for accuracy in found:
        of_split = chosen.get(_split(accuracy))
        if of_split is None or not _same_weights(accuracy, of_split):
            odd.append(accuracy)
    return chosen, odd


def _split(accuracy: Record) -> str:
    return accuracy.details["split"] + (" (augmented)" if accuracy.details.get("tta") else "")


def _differs(accuracy: Record) -> list[str]:
    return accuracy.details.get("differs") or []


def _rank(accuracy: Record, record: Record) -> tuple[bool, bool]:
    return not _differs(accuracy), accuracy.config.sha256 == record.config.sha256


def _same_weights(one: Record, other: Record) -> bool:
    """Say whether two records are of the same weights under the same config, as far as they say."""
    mine, theirs = one.provenance.checkpoint_sha256, other.provenance.checkpoint_sha256
    return one.config.sha256 == other.config.sha256 and (mine == theirs or None in (mine, theirs))


def _is_of(accuracy: Record, training: Record) -> bool:
    sha = accuracy.provenance.checkpoint_sha256
    return sha == training.provenance.checkpoint_sha256 if sha else _same_weights(accuracy, training)


def _belongs(accuracy: Record, record: Record) -> bool:
    """Say whether an accuracy is of the weights that another record is of."""
    mine, theirs = accuracy.provenance.checkpoint_sha256, record.provenance.checkpoint_sha256
    if mine and theirs and mine == theirs:
        return True
    if accuracy.config.sha256 == record.config.sha256:
        return not (mine and theirs)
    if mine and theirs:
        return _is_older(record)
    return recipe_of(accuracy.config.text) == recipe_of(record.config.text) or _is_older(record)


def _is_older(record: Record) -> bool:
    """Say whether a record is from before configs were kept as literals: its config tells nothing then."""
    try:
        read_literals(record.config.text)
    except ValueError:
        return True
    return False


def _continues(longest: Record, other: Record) -> bool:
    """Say whether two records of training are of one run that was continued, or written twice."""
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
    """Name checkpoints that records of different networks or seeds say are theirs."""
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
