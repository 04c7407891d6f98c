"""The trainings and accuracies that are shown if several have the same names."""

import datetime
import hashlib

import pandas as pd

from lednet_mm.record_format import ConfigText
from lednet_mm.records import write_record
from lednet_mm.reports.classes import class_table
from lednet_mm.reports.reading import read_evidence
from lednet_mm.reports.runs import choose_runs, record_name
from lednet_mm.reports.sections.curves import learning_curves
from lednet_mm.reports.sections.runs import Runs
from tests.reports.made import CONFIG, accuracy, at, content_of, train

OTHER = CONFIG.replace("0.002", "0.1")


def trained(text=CONFIG, iterations=100, minute=0, sha="a", begun=None, curve=(), seed=0):
    record = train(curve=curve, seed=seed)
    config = ConfigText(text=text, sha256=hashlib.sha256(text.encode()).hexdigest())
    details = {**record.details}
    if begun is not None:
        details["ranges"] = [{"from": 0, "to": iterations, "date": begun}]
    update = {"config": config, "values": {"iterations": iterations}, "details": details}
    return record.model_copy(update={**update, "provenance": at(minute, checkpoint_sha256=sha)})


def measured(split="test", text=CONFIG, quality=0.8, minute=0, sha="a", seed=0, **details):
    record = accuracy(split=split, text=text, quality=quality, seed=seed, **details)
    return record.model_copy(update={"provenance": at(minute, checkpoint_sha256=sha)})


def the_row(records):
    (row,) = content_of(records).runs.to_dict("records")
    return row


def test_another_learning_rate_does_not_lend_its_accuracy():
    first = [trained(OTHER, sha="b", curve=[[5, 1.0]]), measured(text=OTHER, sha="b", quality=0.9)]
    second = [trained(minute=5, curve=[[10, 2.0]]), measured("val", minute=5)]
    records = [*first, *second]
    row = the_row(records)
    assert row["train_record"] == record_name(second[0])
    assert row["accuracy_record"] == record_name(second[1])
    (note,) = choose_runs(records).notes
    assert record_name(first[0]) in note
    assert note in list(Runs(content_of(records)).notes())
    assert learning_curves(choose_runs(records))["iteration"].tolist() == [10]
    assert class_table(choose_runs(records))["split"].tolist() == ["val"]
    # Nor does it if its training is not among the records, or does not name its checkpoint.
    for sha in ("b", None):
        stray = measured(text=OTHER, sha=sha, minute=9)
        assert the_row([*second, stray])["accuracy_record"] == record_name(second[1])
        (note,) = choose_runs([*second, stray]).notes
        assert record_name(stray) in note


def test_without_trainings_accuracies_of_different_weights_are_not_mixed():
    new, old = measured(minute=5), measured("val", OTHER, minute=1, sha="b")
    row = the_row([old, new])
    assert row["accuracy_record"] == record_name(new)
    assert pd.isna(row["miou_val_percent"])
    (note,) = choose_runs([old, new]).notes
    assert record_name(old) in note


def test_the_accuracy_of_the_last_checkpoint_counts():
    records = [trained(), measured("val"), measured(minute=1), measured(minute=2, sha="iter_2", quality=0.3)]
    assert the_row(records)["accuracy_record"] == record_name(records[2])
    (note,) = choose_runs(records).notes
    assert record_name(records[3]) in note
    without = [records[0], records[1], records[3]]
    assert the_row(without)["accuracy_record"] == record_name(records[1])


def test_a_test_under_another_config_does_not_take_the_place_of_the_accuracy():
    differs = ["model.data_preprocessor.mean (0 there, 1 here)"]
    odd = measured(minute=2, text=CONFIG + "mean = 1\n", differs=differs)
    records = [trained(), measured(minute=1), odd]
    assert the_row(records)["accuracy_record"] == record_name(records[1])
    assert record_name(odd) in choose_runs(records).notes[0]
    # If there is no other one, it is shown, and a note says that it is odd.
    assert the_row([records[0], odd])["accuracy_record"] == record_name(odd)
    assert differs[0] in choose_runs([records[0], odd]).notes[0]


def test_a_clock_that_was_set_back_does_not_make_an_older_training_count():
    begun = "2026-11-21T10:30:00+00:00"
    short = [trained(iterations=50, minute=40, sha="s", begun=begun), measured(minute=41, sha="s")]
    text = CONFIG.replace("'max_iters': 100", "'max_iters': 200")
    long = [trained(text, 200, minute=2, begun=begun), measured(text=text, minute=3)]
    row = the_row([*short, *long])
    assert (row["train_record"], row["accuracy_record"]) == tuple(map(record_name, long))
    assert row["iterations"] == 200
    assert choose_runs([*short, *long]).notes == ()  # one run that was continued


def test_a_training_that_was_written_twice_is_one():
    records = [trained(minute=1, sha="x"), measured(minute=2, sha="x"), trained(minute=3, sha="y")]
    assert the_row(records)["accuracy_record"] == record_name(records[1])
    assert choose_runs(records).notes == ()


def test_one_checkpoint_of_two_seeds_is_said():
    records = [trained(), measured(), trained(seed=1)]
    (note,) = choose_runs(records).notes
    assert note.startswith("Different runs say that one checkpoint is theirs")
    assert choose_runs(records[:2]).notes == ()


def test_many_notes_are_counted():
    notes = choose_runs([trained(), *(measured(sha=f"x{i}") for i in range(50))]).notes
    assert len(notes) == 21
    assert notes[-1].startswith("30 more")


def test_dates_in_the_future_are_said(tmp_path):
    late = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=3)
    record = trained()
    date = late.isoformat(timespec="seconds")
    provenance = record.provenance.model_copy(update={"date": date})
    write_record(record.model_copy(update={"provenance": provenance}), tmp_path)
    (note,) = read_evidence([tmp_path]).notes
    assert "1 records have a date in the future" in note
