"""The jobs of a study: what each runs, when it is done, and how a failure is kept."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lednet_mm.checkpoints.files import checkpoints_of
from lednet_mm.errors import InputError
from lednet_mm.files import write_atomically
from lednet_mm.records import Record, Run, collect_provenance, new_record, read_records, write_record

Shape = tuple[int, int]
State = Literal["waiting", "cut off", "running", "elsewhere", "stopped", "failed", "finished"]
CONFIG = Path("plan") / "config.py"
"""Where in its folder a run keeps the config it was planned with, resolved."""
FAILED = "failed: "
"""How the last line of a job's process begins when it says why it failed."""


@dataclass(frozen=True)
class Status:
    """How far a job is, from what lies in its folder.

    Attributes:
        state: ``cut off`` is a run that ended without a word and continues from its last checkpoint.
        reason: why it failed, or where it was cut off.
        failure: id of the record of its last failure.
        miou_percent: of the split that the study reports, where it is known.
    """

    state: State
    reason: str = ""
    failure: str | None = None
    miou_percent: float | None = None


def sha256(text: str) -> str:
    """Return the sha256 of a resolved config, as records keep it."""
    return hashlib.sha256(text.encode()).hexdigest()


def missing_steps(records: Iterable[Record], digest: str, split: str, shape: Shape | None) -> list[str]:
    """Return what a run still has to do: of ``complexity``, ``train``, ``test``, in this order.

    Args:
        records: of the run's folder.
        digest: sha256 of the config; records of another config do not count.
        split: whose accuracy is wanted; that of ``val`` comes with the training.
        shape: (height, width) to count complexity at; None counts nothing.
    """
    done = set()
    for record in records:
        if record.config.sha256 == digest:
            part = record.details.get("split", record.details.get("shape"))
            done.add((record.kind, tuple(part) if isinstance(part, list) else part))
    steps = []
    if shape is not None and ("complexity", shape) not in done:
        steps.append("complexity")
    if not {("train", None), ("accuracy", "val")} <= done:
        steps.append("train")
    if ("accuracy", split) not in done and split != "val":
        steps.append("test")
    return steps


@dataclass(frozen=True)
class TrainingJob:
    """One run of a study: complexity, training, accuracy, in one process.

    Attributes:
        run: network, dataset, variant, seed, study.
        folder: takes everything the run leaves.
        text: the resolved config.
        source: the config file it came from.
        split: whose accuracy the study reports.
        shape: (height, width) to count complexity at; None leaves that to another seed's run.
        max_iters: iterations of the training; 0 where the config does not say.
    """

    run: Run
    folder: Path
    text: str
    source: Path
    split: str = "test"
    shape: Shape | None = None
    max_iters: int = 0

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    def command(self) -> list[str]:
        """Return the command line of the run's process."""
        arguments = [
            sys.executable,
            "-m",
            "lednet_mm.studies.worker",
            "train",
            str(self.folder),
            "--test",
            self.split,
        ]
        if self.shape is not None:
            arguments += ["--complexity", *map(str, self.shape)]
        return arguments

    def prepare(self) -> None:
        """Leave the resolved config in the folder.

        Raises:
            InputError: the folder holds a run of another config.
        """
        path = self.folder / CONFIG
        if path.is_file() and path.read_text() != self.text:
            raise InputError(
                f"{self.folder}: holds a run of another config (the study or a config has changed since); "
                "move the folder away or choose another --work-dir"
            )
        write_atomically(path, self.text.encode())

    def status(self) -> Status:
        """Look into the folder."""
        if not self.folder.is_dir():
            return Status("waiting")
        records, _ = read_records([self.folder])
        accuracies = {r.details["split"]: r.values["miou_percent"] for r in records if r.kind == "accuracy"}
        miou = accuracies.get(self.split, accuracies.get("val"))
        miou = miou if isinstance(miou, (int, float)) else None
        failures = [record for record in records if record.kind == "failure"]
        failure = failures[-1].id if failures else None
        if not missing_steps(records, sha256(self.text), self.split, self.shape):
            return Status("finished", "", failure, miou)
        if failures and records[-1].kind == "failure":
            return Status("failed", str(records[-1].values["reason"]), failure, miou)
        saved = checkpoints_of(self.folder)
        if saved:
            return Status("cut off", f"continues from {saved[0].name}", failure, miou)
        return Status("waiting", "", failure, miou)

    def record_failure(self, reason: str, exit_status: int | None, log_tail: list[str]) -> None:
        """Keep why the run failed, as a record."""
        saved = checkpoints_of(self.folder)
        values = {
            "reason": reason,
            "exit_status": exit_status,
            "last_checkpoint": saved[0].name if saved else None,
        }
        record = new_record(
            "failure", self.run, self.text, values, {"log_tail": log_tail}, collect_provenance()
        )
        write_record(record, self.folder)


@dataclass(frozen=True)
class LatencyJob:
    """The timing of all networks of a study, interleaved in one process that has the machine to itself.

    Attributes:
        folder: takes the records and the log.
        runs: of each network and variant one run, whose config is timed.
        shape: (height, width) of the image.
        samples: of each network.
        seconds: for each network at most.
    """

    folder: Path
    runs: tuple[TrainingJob, ...]
    shape: Shape
    samples: int
    seconds: float

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    max_iters = 0

    def command(self) -> list[str]:
        """Return the command line of the timing's process."""
        numbers = [
            "--shape",
            *map(str, self.shape),
            "--samples",
            str(self.samples),
            "--seconds",
            str(self.seconds),
        ]
        folders = [str(run.folder) for run in self.runs]
        return [
            sys.executable,
            "-m",
            "lednet_mm.studies.worker",
            "time",
            str(self.folder),
            *numbers,
            "--",
            *folders,
        ]

    def prepare(self) -> None:
        """Leave the configs where the process looks for them, also of runs that did not get so far."""
        for run in self.runs:
            run.prepare()

    def status(self) -> Status:
        """Look into the folder: finished when each of these configs has been timed at this shape."""
        records, _ = read_records([self.folder])
        timed = {
            r.config.sha256 for r in records if r.kind == "latency" and r.details["shape"] == list(self.shape)
        }
        lacking = sum(sha256(run.text) not in timed for run in self.runs)
        return Status("waiting", f"{lacking} networks to time") if lacking else Status("finished")

    def record_failure(self, reason: str, exit_status: int | None, log_tail: list[str]) -> None:
        """Nothing to keep: the log says it, and every sweep tries again."""


Job = TrainingJob | LatencyJob
