"""Faults when studies are run, and faulty files in the folders of their runs."""

from __future__ import annotations

import json

from tests.faults.place import Fault, Place

RUN = "lednet-default-streets-seed0"


def study(
    place: Place, *lines: str, name: str = "study", title: str = "T", seeds: str = "[0]", config=None
) -> object:
    """Write a study of one config and return its path."""
    source = config or place.config()
    text = [
        f"title = {title!r}",
        f"runs = [dict(configs=[{str(source)!r}], seeds={seeds})]",
        "measure = dict(accuracy='val')",
        *lines,
    ]
    return place.file(f"{name}.py", "\n".join(text).encode())


def plan(*lines: str, **more):
    """Return the command that prints the plan of a study."""
    return lambda place: ("sweep", study(place, *lines, **more), "--work-dir", place / "runs", "--dry-run")


def failed_before(reason: str):
    """Return the command that plans a study whose run has failed for this reason."""

    def words(place: Place):
        run = place.run()
        record = json.loads(next((run / "records").glob("train-*.json")).read_text())
        record.update(kind="failure", details={"log_tail": [reason]})
        record["values"] = {"reason": reason, "exit_status": 1, "last_checkpoint": None}
        record["run"].update(study="study")
        place.file(f"runs/{RUN}/records/failure-{record['id']}.json", json.dumps(record).encode())
        return ("sweep", study(place), "--work-dir", place / "runs", "--dry-run")

    return words


def foreign_record(content: bytes):
    """Return the command that plans a study with a file of this content among the records of a run."""

    def words(place: Place):
        place.file(f"runs/{RUN}/records/accuracy-x.json", content)
        return ("sweep", study(place), "--work-dir", place / "runs", "--dry-run")

    return words


def another_study(place: Place):
    """Run a study in the folder of another study that has a run there."""
    facts = {
        **{
            "name": "other",
            "title": "O",
            "split": "val",
            "baseline": {"network": None, "variant": "default"},
        },
        "expectations": {},
        "runs": [
            {
                "network": "x",
                "dataset": "y",
                "variant": "default",
                "seed": 0,
                "study": "other",
                "folder": "x",
            }
        ],
    }
    place.file("runs/study.json", json.dumps(facts).encode())
    place.file("runs/x/records/note.txt")
    return ("sweep", study(place), "--work-dir", place / "runs")


def refused(what: str, words, *says: str, kind: str = "G") -> Fault:
    """Return a fault with a study that must be refused."""
    return Fault(what, kind, words, says=says)


FAULTS = [
    refused("a study that does not exist", lambda p: ("sweep", p / "no.py"), "no.py"),
    refused("a folder as a study", lambda p: ("sweep", p.folder), "no such study"),
    refused("a study that is a config", lambda p: ("sweep", p.config(), "--dry-run"), "small.py"),
    refused(
        "no job at a time", lambda p: ("sweep", study(p), "--work-dir", p / "runs", "--jobs", 0), "--jobs"
    ),
    refused("runs below a file", lambda p: ("sweep", study(p), "--work-dir", p.file() / "x"), "file"),
    refused(
        "a network's name that leaves the folder of the runs",
        lambda p: ("sweep", study(p, config=p.config("network = '../escaped/x'")), "--work-dir", p / "runs"),
        "network",
        kind="B",
    ),
    refused("another study in the folder", another_study, "other", kind="B"),
    Fault(
        "a reason of a failure with markup",
        "H",
        failed_before("RuntimeError: cannot open [/data/x]"),
        0,
        says=("[/data/x]",),
    ),
    Fault(
        "a reason of a failure with an escape sequence",
        "H",
        failed_before("bad \x1b[2J end"),
        0,
        says=("end",),
    ),
    Fault("a title with markup in a plan", "H", plan(title="T [/b]"), 0, says=("T [/b]",)),
    Fault(
        "a record without its split in a run's folder",
        "A",
        foreign_record(b'{"schema": 1, "kind": "accuracy"}'),
        0,
    ),
    Fault("text in the place of a record in a run's folder", "A", foreign_record(b"hello"), 0),
]
