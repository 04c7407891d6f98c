"""Damaged, altered and foreign records, and folders of reports."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.faults.place import WEIGHTS, Fault, Place

STUDY = ROOT / "reports" / "camvid_half_cpu"
CHOSEN = {("lednet", "default"), ("lednet", "no_apn")}


def committed() -> list[dict[str, Any]]:
    """Return some committed records: two variants of LEDNet with one seed, and their latency."""
    found = [json.loads(path.read_text()) for path in sorted((STUDY / "records").glob("*.json"))]
    return [
        record
        for record in found
        if (record["run"]["network"], record["run"]["variant"]) in CHOSEN
        and record["run"]["seed"] in (0, None)
    ]


RECORDS = committed()


def lay(place: Place, change: Callable[[list[dict]], Any] = lambda found: None) -> Path:
    """Write the chosen records, changed, into the folder ``in`` and return it."""
    found = copy.deepcopy(RECORDS)
    change(found)
    folder = place / "in"
    (folder / "records").mkdir(parents=True)
    for record in found:
        path = folder / "records" / f"{record['kind']}-{record['id']}.json"
        path.write_text(json.dumps(record, ensure_ascii=False))
    return folder


def report(change=lambda found: None, *options: object):
    """Return the command that makes a report of changed records."""
    return lambda place: ("report", lay(place, change), "--out", place / "out", *options)


def one(kind: str, change: Callable[[dict], Any], variant: str = "no_apn"):
    """Return a function that changes the record of a kind and variant."""

    def apply(found: list[dict]) -> None:
        chosen = [r for r in found if r["kind"] == kind and r["run"]["variant"] == variant]
        assert chosen, kind
        change(chosen[0])

    return apply


def without_it(place: Place, outcome) -> None:
    """Check that the report was made from the other records and names the one that it left out."""
    assert (place / "out" / "summary.md").is_file()
    assert "left out" in outcome.err
    assert f"{len(RECORDS) - 1} records" in outcome.out


def left_out(what: str, kind: str, change: Callable[[dict], Any], *says: str, fault: str = "A") -> Fault:
    """Return a fault with one odd record, which must be named and left out."""
    says = (f"{kind}-", *says)
    return Fault(what, fault, report(one(kind, change)), 0, says=says, also=(without_it,), drawn=False)


def with_file(name: str, content: bytes | None, *says: str, what: str) -> Fault:
    """Return a fault with a foreign file among the records, which must be left out; None is a pipe."""

    def words(place: Place):
        folder = lay(place)
        path = folder / name
        if content is None:
            os.mkfifo(path)
        else:
            path.write_bytes(content)
        return ("report", folder, "--out", place / "out")

    def all_others(place: Place, outcome) -> None:
        assert f"{len(RECORDS)} records" in outcome.out
        if name.startswith("records/"):
            assert Path(name).name in outcome.err

    return Fault(what, "G", words, 0, says=says, also=(all_others,), drawn=False)


def bomb(record: dict) -> None:
    """Replace the matrices by 512 MiB of compressed zeros."""
    packer = zlib.compressobj(1)
    data = b"".join(packer.compress(b"\0" * (1 << 20)) for _ in range(512)) + packer.flush()
    record["details"]["per_image_confusion"] = {
        "shape": [1, 1, 1 << 27],
        "dtype": "<i4",
        "zlib_base64": base64.b64encode(data).decode(),
    }


def altered_everywhere(place: Place, outcome) -> None:
    """Check that no table shows the number of the altered record."""
    without_it(place, outcome)
    for path in (place / "out").glob("*.md"):
        assert "140.00" not in path.read_text()


def text_of(change: Callable[[str], str], *, keep_digest: bool = False):
    """Return a change of the config in every record."""

    def apply(found: list[dict]) -> None:
        for record in found:
            record["config"]["text"] = change(record["config"]["text"])
            if not keep_digest:
                record["config"]["sha256"] = hashlib.sha256(record["config"]["text"].encode()).hexdigest()

    return apply


def pictures(change: Callable[[str], str], place: Place):
    """Ask for pictures of records whose config would run code."""
    folder = lay(place, text_of(lambda text: change(text.replace("EXECUTED", str(place.executed)))))
    shutil.copy(WEIGHTS, folder / "lednet_camvid_cpu.pth")
    return ("report", folder, "--out", place / "out", "--pictures", 1)


def hostile(addition: str):
    """Return the command that shows pictures of records with an addition to their config."""
    return lambda place: pictures(
        lambda text: text + addition.replace("EXECUTED", str(place.executed)), place
    )


def users_files(place: Place):
    """Make a report in a folder with a user's files, whose names begin like those of a report."""
    for name in ("latency_of_my_phone.csv", "predictions_mine.png", "ablation_notes.md", "roofline.txt"):
        place.file(f"out/{name}")
    return ("report", lay(place), "--out", place / "out")


def over_a_file(name: str):
    """Make a report in a folder in which a user's file has the name of one of the report's files."""

    def words(place: Place):
        place.file(f"out/{name}")
        return ("report", lay(place), "--out", place / "out")

    return words


def escaping(record: dict) -> None:
    """Change a record so that it names a checkpoint outside of its folder."""
    record["details"]["checkpoint"] = "../../../../etc/passwd"


VALUE = "values"
FAULTS = [
    # One record at a time.
    left_out("an accuracy without its split", "accuracy", lambda r: r["details"].pop("split"), "split"),
    left_out(
        "an accuracy without its mIoU", "accuracy", lambda r: r["values"].pop("miou_percent"), "miou_percent"
    ),
    left_out(
        "a mIoU that is text", "accuracy", lambda r: r["values"].update(miou_percent="high"), "miou_percent"
    ),
    left_out("a mIoU of 140", "accuracy", lambda r: r["values"].update(miou_percent=140.0), "miou_percent"),
    left_out(
        "a mIoU that was raised by 5",
        "accuracy",
        lambda r: r["values"].update(miou_percent=r["values"]["miou_percent"] + 5),
        "miou_percent",
    ),
    left_out(
        "a pixel accuracy that was changed",
        "accuracy",
        lambda r: r["values"].update(pixel_accuracy_percent=99.0),
        "pixel_accuracy",
    ),
    left_out(
        "a class IoU that was changed",
        "accuracy",
        lambda r: r["details"]["class_iou_percent"].update(road=1.5),
        "class_iou",
    ),
    left_out(
        "class IoUs that are text",
        "accuracy",
        lambda r: r["details"].update(class_iou_percent="x"),
        "class_iou_percent",
    ),
    left_out(
        "image names that are a number",
        "accuracy",
        lambda r: r["details"].update(per_image_names=5),
        "per_image_names",
    ),
    left_out(
        "image names of which one is missing", "accuracy", lambda r: r["details"]["per_image_names"].pop()
    ),
    left_out(
        "matrices that are damaged",
        "accuracy",
        lambda r: r["details"]["per_image_confusion"].update(zlib_base64="AAAA"),
    ),
    left_out(
        "matrices of another shape",
        "accuracy",
        lambda r: r["details"]["per_image_confusion"].update(shape=[1, 2, 3]),
    ),
    left_out(
        "matrices of another type",
        "accuracy",
        lambda r: r["details"]["per_image_confusion"].update(dtype="|O"),
    ),
    left_out("matrices that are 512 MiB when they are unpacked", "accuracy", bomb),
    left_out(
        "a latency of 0", "latency", lambda r: r["values"].update(latency_ms_p50=0, fps_p50=0), "latency"
    ),
    left_out("a latency without its shape", "latency", lambda r: r["details"].pop("shape"), "shape"),
    left_out(
        "a latency without samples", "latency", lambda r: r["details"].update(samples_ms=[]), "samples_ms"
    ),
    left_out(
        "a latency that its samples do not have", "latency", lambda r: r["values"].update(latency_ms_p50=1.0)
    ),
    left_out(
        "a negative sample of a latency",
        "latency",
        lambda r: r["details"]["samples_ms"].append(-1.0),
        "samples_ms",
    ),
    left_out("a complexity without its shape", "complexity", lambda r: r["details"].pop("shape"), "shape"),
    left_out("one and a half parameters", "complexity", lambda r: r["values"].update(params=1.5), "params"),
    left_out(
        "a negative number of parameters", "complexity", lambda r: r["values"].update(params=-1), "params"
    ),
    left_out(
        "more multiply-adds than 64 bits hold",
        "complexity",
        lambda r: r["values"].update(macs=10**30),
        "macs",
    ),
    left_out(
        "a learning curve that is text",
        "train",
        lambda r: r["details"].update(validation_curve_miou_percent="abc"),
        "curve",
    ),
    left_out(
        "a learning curve of odd points",
        "train",
        lambda r: r["details"].update(validation_curve_miou_percent=[[1, 2, 3]]),
        "curve",
    ),
    left_out(
        "a record whose number of iterations is text",
        "train",
        lambda r: r["values"].update(iterations="all"),
        "iterations",
    ),
    left_out("a seed of 31 digits", "train", lambda r: r["run"].update(seed=10**30), "seed"),
    left_out("a record whose seed is text", "train", lambda r: r["run"].update(seed="one"), "seed"),
    left_out("a record of the next version", "train", lambda r: r.update(schema=99), "99"),
    Fault(
        "a record of no known kind",
        "A",
        report(one("train", lambda r: r.update(kind="dream"))),
        0,
        says=("dream-", "kind"),
        also=(without_it,),
    ),
    left_out("a record with a further key", "train", lambda r: r.update(more=1), "more"),
    left_out("a record without provenance", "train", lambda r: r.pop("provenance"), "provenance"),
    left_out(
        "a record whose date is no date", "train", lambda r: r["provenance"].update(date="yesterday"), "date"
    ),
    left_out(
        "a config that was changed",
        "train",
        lambda r: r["config"].update(text=r["config"]["text"] + "\nx = 1\n"),
        "config",
    ),
    left_out(
        "a dataset's name that is a path",
        "train",
        lambda r: r["run"].update(dataset="x/../../y"),
        "dataset",
        fault="B",
    ),
    left_out(
        "a dataset's name of 300 characters",
        "train",
        lambda r: r["run"].update(dataset="n" * 300),
        "dataset",
        fault="B",
    ),
    left_out(
        "a network's name with a control character",
        "train",
        lambda r: r["run"].update(network="a\0b"),
        "network",
        fault="B",
    ),
    left_out(
        "an empty name of a variant", "train", lambda r: r["run"].update(variant=""), "variant", fault="B"
    ),
    # Other files among them.
    with_file("records/deep.json", b"[" * 100_000 + b"]" * 100_000, what="JSON of 100,000 brackets"),
    with_file("records/empty.json", b"", what="a record of 0 bytes"),
    with_file("records/half.json", b'{"schema": 1, "kind": "tr', what="a record that is cut off"),
    with_file("records/list.json", b"[1, 2]", what="a record that is a list"),
    with_file("records/other.json", b'{"name": "package"}', what="JSON of another program"),
    with_file("records/bytes.json", b"\xff\xfe\0\0", what="a record that is not UTF-8"),
    with_file("records/pipe.json", None, what="a pipe among the records"),
    with_file("study.json", b'{"name": 5}', "study.json", what="a study that is none"),
    with_file("study.json", b"\xff", "study.json", what="a study that is not UTF-8"),
    with_file("title.txt", b"\xff title", "title.txt", what="a title that is not UTF-8"),
    with_file("title.txt", b"one\ntwo\n" * 100_000, what="a title of 800,000 characters"),
    # Code in a record.
    Fault(
        "a statement in the config of a record", "C", hostile("\nimport os; os.system('touch EXECUTED')\n"), 0
    ),
    Fault(
        "an import in the config of a record",
        "C",
        hostile("\ncustom_imports = {'imports': ['antigravity_evil']}\n"),
        0,
    ),
    Fault("a base in the config of a record", "C", hostile("\n_base_ = '/tmp/evil.py'\n"), 0),
    Fault(
        "a changed config under the digest of the old one",
        "C",
        lambda p: (
            "report",
            lay(
                p, text_of(lambda t: t + f"\nimport os; os.system('touch {p.executed}')\n", keep_digest=True)
            ),
            *("--out", p / "out", "--pictures", 1),
        ),
        says=("no records",),
    ),
    Fault(
        "a record whose checkpoint lies outside of its folder",
        "C",
        report(one("accuracy", escaping), "--pictures", 1),
        0,
    ),
    # Where the report goes.
    Fault("a user's files in the folder of the report", "B", users_files, 0),
    Fault(
        "a user's file with the name of a report's",
        "B",
        over_a_file("summary.csv"),
        says=("summary.csv", "--overwrite"),
    ),
    Fault(
        "a report in the place of a file",
        "G",
        lambda p: ("report", lay(p), "--out", p.file()),
        says=("file",),
    ),
    Fault(
        "a report below a file", "G", lambda p: ("report", lay(p), "--out", p.file() / "x"), says=("file",)
    ),
    Fault(
        "a report of a folder that is not there",
        "G",
        lambda p: ("report", p / "no", "--out", p / "out"),
        says=("no",),
    ),
    Fault(
        "a report of a folder without records",
        "G",
        lambda p: ("report", p.folder, "--out", p / "out"),
        says=("no records",),
    ),
    Fault(
        "a mIoU of 140 in a study",
        "A",
        report(one("accuracy", lambda r: r["values"].update(miou_percent=140.0))),
        0,
        also=(altered_everywhere,),
    ),
]
