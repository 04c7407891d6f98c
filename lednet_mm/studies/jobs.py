"""The jobs of a study: their processes, how to tell that they are finished, and the records of failures."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, NonNegativeInt

from lednet_mm.catalog import COMMON, PLANNED
from lednet_mm.checkpoints.listing import checkpoints_of
from lednet_mm.errors import InputError, describe_error, describe_os_error, is_out_of_memory
from lednet_mm.evaluation.corruptions import Corruption
from lednet_mm.files import holder_of, is_locked, read_regular, write_atomically
from lednet_mm.literals import LARGEST, differing_keys, read_literals
from lednet_mm.records import (
    Kind,
    Record,
    Run,
    collect_provenance,
    in_plain_pytorch,
    new_record,
    read_records,
    write_record,
)
from lednet_mm.studies.watching import read_curve
from lednet_mm.text import one_line
from lednet_mm.timing.backends import TIMED, Backend

Shape = tuple[int, int]
State = Literal[
    "waiting",
    "queued",
    "running",
    "elsewhere",
    "cut off",
    "stopped",
    "lost",
    "blocked",
    "pruned",
    "failed",
    "finished",
]
"""The state of a job.

A ``queued`` job was given to a cluster that has not started it. One that runs ``elsewhere`` is run by a
process that this sweep did not start. A ``stopped`` job was ended together with the sweep. A ``lost`` job ran
on a machine or worker that no longer answers. A job that is ``cut off`` ended without giving a reason. A
``pruned`` job is a trial that was ended because it could not be expected to win. A ``blocked`` job cannot run
because something that it needs has failed.
"""
PLAN = PLANNED.parent
"""The folder, within a job's folder, with the files that were planned for the job."""
ATTEMPTS = PLAN / "attempts.json"
"""The file with the attempts at a run, see :class:`Attempts`."""
PRUNED = "pruned: "
"""The beginning of the reason in the record of a trial that was pruned."""
FAILED = "failed: "
"""The beginning of the last line of a job's process if the job failed for a reason that it can name."""
PATIENCE_MINUTES = 30.0
"""The number of minutes that a run may make no progress, unless the study sets another number."""


class Attempts(BaseModel):
    """The attempts at a run: how many there were, how long they took, and whether the last one failed.

    Records and checkpoints alone do not show whether a failure came before or after the newest checkpoint,
    because the clocks of machines differ and may be set back.

    Attributes:
        begun: number of attempts.
        failure: id of the record of the failure, if the last attempt failed.
        seconds: total time of the processes of all attempts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    begun: NonNegativeInt = 0
    failure: str | None = None
    seconds: NonNegativeFloat = 0.0

    @classmethod
    def read(cls, folder: Path) -> Attempts | None:
        """Read the file in a run's folder; None if it is missing or damaged."""
        try:
            return cls.model_validate_json(read_regular(folder / ATTEMPTS, 4096))
        except (OSError, ValueError):
            return None

    def write(self, folder: Path) -> None:
        """Write the file into a run's folder."""
        write_atomically(folder / ATTEMPTS, self.model_dump_json().encode())


@dataclass(frozen=True)
class Status:
    """The status of a job according to the files in its folder.

    Attributes:
        state: state of the job; a run that is ``cut off`` continues from its last checkpoint.
        reason: why the job failed, where it was cut off, or who runs it.
        failure: id of the record of the last failure.
        miou_percent: mIoU on the split that the study reports, if it is known.
        problems: files in the folder that should be records but cannot be used, each with the reason.
    """

    state: State
    reason: str = ""
    failure: str | None = None
    miou_percent: float | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """The state of a job that is running, or the state in which it has ended.

    Attributes:
        state: see :data:`State`.
        reason: explanation in words, if the job is not finished.
    """

    state: State
    reason: str = ""


ENDED = ("finished", "failed", "pruned", "blocked")
"""The states of a job that has ended and does not start again unless the user asks for another attempt."""


def ended_since(status: Status, known: Status) -> Outcome | None:
    """Return how a job has ended since an earlier look at it; None if it has not ended.

    Args:
        status: status of the job now.
        known: status of the job at the earlier look.
    """
    if status.state == "finished" or (status.state in ENDED and status.failure != known.failure):
        return Outcome(status.state, status.reason)
    return None


def look(job: Job) -> Status:
    """Return the status of a job, and whether another process is running it now.

    A job whose folder cannot be read counts as failed until it can be read again.
    """
    try:
        status = job.status()
    except OSError as error:
        return Status("failed", describe_os_error(error))
    if status.state in ("waiting", "cut off") and is_locked(job.folder):
        return replace(status, state="elsewhere", reason=f"run by {holder_of(job.folder)}")
    return status


def reason_of(error: BaseException) -> str:
    """Return one line that says why a run failed."""
    if isinstance(error, InputError):
        return one_line(error)
    if isinstance(error, OSError) and error.errno is not None:
        return one_line(describe_os_error(error))
    return f"{'out of memory: ' if is_out_of_memory(error) else ''}{describe_error(error)}"


def sha256(text: str) -> str:
    """Return the sha256 of a resolved config, in the same form as in records."""
    return hashlib.sha256(text.encode()).hexdigest()


def training_of(records: Iterable[Record], digest: str) -> Record | None:
    """Return the record of the training with the most iterations; None if there is no training.

    Args:
        records: records in the run's folder, oldest first; of several equally long trainings, the newest
            counts.
        digest: sha256 of the config; records with another config do not count.
    """
    trainings = [r for r in records if r.kind == "train" and r.config.sha256 == digest]
    return max(reversed(trainings), key=lambda record: record.values["iterations"], default=None)


@dataclass(frozen=True)
class Wanted:
    """What is measured of a run.

    Attributes:
        split: split on which the accuracy is reported.
        shape: (height, width) of the image for which parameters and multiply-adds are counted; None counts
            nothing.
        measures: further measures on that split, as keys of :data:`lednet_mm.evaluation.measures.MEASURES`.
        corruptions: corruptions with each of which the images of that split are tested once more.
    """

    split: str = "test"
    shape: Shape | None = None
    measures: tuple[str, ...] = ()
    corruptions: tuple[Corruption, ...] = ()

    @property
    def tests(self) -> tuple[str, tuple[str, ...], tuple[Corruption, ...]]:
        """What is tested with the trained weights: the split, the measures and the corruptions."""
        return self.split, self.measures, self.corruptions


def results_of(records: Iterable[Record], digest: str, kind: Kind = "accuracy") -> list[Record]:
    """Return the accuracies that are results of a run, which are those of its trained weights.

    Others are left out: somebody may have tested a checkpoint of the unfinished run by hand, or with
    test-time augmentation, or with a config that differs from that of the training.

    Args:
        records: records in the run's folder, oldest first.
        digest: sha256 of the config; records with another config do not count.
        kind: ``accuracy`` for the unchanged images, or ``corruption``.
    """
    records = list(records)
    training = training_of(records, digest)
    if training is None:
        return []
    trained = training.provenance.checkpoint_sha256
    return [
        record
        for record in records
        if record.kind == kind
        and record.config.sha256 == digest
        and in_plain_pytorch(record)
        and not record.details.get("tta")
        and not record.details.get("differs")
        and (trained is None or record.provenance.checkpoint_sha256 in (None, trained))
    ]


def missing_steps(records: Iterable[Record], digest: str, wanted: Wanted) -> list[str]:
    """Return the steps that a run still has to do, in their order.

    Args:
        records: records in the run's folder.
        digest: sha256 of the config; records with another config do not count.
        wanted: what is measured of the run. The training also measures the accuracy on ``val``.

    Returns:
        Those of the following steps that have no record: ``complexity``, ``train``, ``test``, names of
        measures, and texts of corruptions. Each measure may be in a record of its own.
    """
    ours = [record for record in records if record.config.sha256 == digest]
    accuracies = results_of(ours, digest)
    splits = [record.details.get("split") for record in accuracies]
    shapes = [record.details.get("shape") for record in ours if record.kind == "complexity"]
    steps = []
    if wanted.shape is not None and list(wanted.shape) not in shapes:
        steps.append("complexity")
    if "val" not in splits:
        steps.append("train")
    if wanted.split not in splits and wanted.split != "val":
        steps.append("test")
    tested = [record.details for record in accuracies if record.details.get("split") == wanted.split]
    steps += [
        name
        for name in wanted.measures
        if not any(details.get(f"per_image_{name}") is not None for details in tested)
    ]
    corrupted = {
        (record.details.get("corruption"), record.details.get("severity"))
        for record in results_of(ours, digest, "corruption")
        if record.details.get("split") == wanted.split
    }
    steps += [str(c) for c in wanted.corruptions if (c.name, c.severity) not in corrupted]
    return steps


def shortened(words: Sequence[str], most: int = 5) -> str:
    """Join words by commas, but write out only the first ``most`` of them and count the others."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return f"{', '.join(words[:most])}{more}"


def planned_text(folder: Path) -> str | None:
    """Return the planned config in a run's folder; None if there is none.

    Raises:
        InputError: the config cannot be read.
    """
    path = folder / PLANNED
    try:
        return read_regular(path, 4 * LARGEST).decode()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        fault = f"{path}: not UTF-8 text"
    except OSError as error:
        fault = describe_os_error(error)
    except ValueError as error:
        fault = f"{path}: {error}"
    raise InputError(f"{fault}: this is the planned config of the run; move the run's folder away")


def differences(earlier: str, text: str) -> str:
    """Return the differences between two configs in words.

    Args:
        earlier: text of the config in a run's folder.
        text: text of the config that the study plans.
    """
    try:
        found = differing_keys(read_literals(earlier), read_literals(text))
    except ValueError as error:
        return f"it cannot be compared with the study's: {error}"
    if not found:
        return "only its layout differs from the study's"
    shown = [f"{key} is {_short(a)} there and {_short(b)} here" for key, (a, b) in list(found.items())[:3]]
    more = f" and {len(found) - 3} more keys differ" if len(found) > 3 else ""
    return f"{'; '.join(shown)}{more}"


def _short(value: Any) -> str:
    text = one_line(repr(value))
    return text if len(text) <= 60 else f"{text[:57]}..."


@dataclass(frozen=True)
class TrainingJob:
    """One run of a study. One process does its training and all of its measurements.

    Attributes:
        run: network, dataset, variant, seed and study.
        folder: folder for all files of the run.
        text: text of the resolved config.
        source: config file, or names, from which the config was made.
        wanted: what is measured; of several seeds, only one counts the complexity.
        expectation: what is expected of the variant, in words; empty if nothing is.
        question: question that the variant is to answer; empty if there is none.
        recipe: name of the recipe.
        max_iters: number of iterations of the training; 0 if the config does not say it.
        patience_minutes: minutes without progress after which the run counts as hanging.
        rivals: folders of the other trials of the network, if a trial that cannot be expected to win is
            ended early.
        blocked: why the job cannot run; empty if it can.
    """

    run: Run
    folder: Path
    text: str
    source: str
    wanted: Wanted = Wanted()
    expectation: str = ""
    question: str = ""
    recipe: str = COMMON
    max_iters: int = 0
    patience_minutes: float = PATIENCE_MINUTES
    rivals: tuple[Path, ...] = ()
    blocked: str = ""

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.folder.name

    def command(self) -> list[str]:
        """Return the words of the command that starts the run's process."""
        wanted = self.wanted
        arguments = [sys.executable, "-m", "lednet_mm.studies.worker", "train", "--test", wanted.split]
        if wanted.shape is not None:
            arguments += ["--complexity", *map(str, wanted.shape)]
        if wanted.measures:
            arguments += ["--measures", *wanted.measures]
        if wanted.corruptions:
            arguments += ["--corruptions", *(f"{c.name}:{c.severity}" for c in wanted.corruptions)]
        return [*arguments, "--", str(self.folder)]

    def prepare(self) -> None:
        """Write the resolved config into the folder.

        Raises:
            InputError: the folder has a run with another config, or a config that cannot be read.
        """
        if not self._is_prepared():
            write_atomically(self.folder / PLANNED, self.text.encode())

    def _is_prepared(self) -> bool:
        """Return whether the resolved config is in the folder; raises the same errors as :meth:`prepare`."""
        earlier = planned_text(self.folder)
        if earlier not in (None, self.text):
            raise InputError(
                f"{self.folder}: holds a run of another config ({differences(earlier, self.text)}): "
                f"{self.folder / PLANNED} was changed by hand, or the study has changed since; "
                "move the folder away or choose another --work-dir"
            )
        return earlier is not None

    def begin(self) -> None:
        """Count a new attempt, in the folder."""
        earlier = Attempts.read(self.folder) or Attempts()
        earlier.model_copy(update={"begun": earlier.begun + 1, "failure": None}).write(self.folder)

    def note_seconds(self, seconds: float) -> None:
        """Add to the recorded time of the run's processes.

        Raises:
            OSError: the file cannot be written.
        """
        earlier = Attempts.read(self.folder) or Attempts()
        earlier.model_copy(update={"seconds": earlier.seconds + seconds}).write(self.folder)

    def hopeless(self) -> str:
        """Return why the run cannot be expected to win against its rivals; an empty text if it may still win.

        This is the median stopping rule (Golovin et al., KDD 2017), applied in the second half of the
        training only: the run's best validation so far is below the median of the best validations that its
        finished rivals, of which there must be at least two, had reached by the same iteration.
        """
        curve = read_curve(self.folder) if self.rivals else []
        if not curve or 2 * curve[-1][0] < self.max_iters:
            return ""
        iteration = curve[-1][0]
        mine = max(miou for _, miou in curve)
        theirs = []
        for folder in self.rivals:
            trained = [record for record in read_records([folder])[0] if record.kind == "train"]
            points = trained[-1].details.get("validation_curve_miou_percent", []) if trained else []
            reached = [miou for at, miou in points if at <= iteration and miou is not None]
            if reached:
                theirs.append(max(reached))
        if len(theirs) < 2 or mine >= median(theirs):
            return ""
        return (
            f"its best mIoU on val by iteration {iteration} is {mine:.2f}, below the median "
            f"{median(theirs):.2f} of the {len(theirs)} trials that have finished"
        )

    def status(self) -> Status:
        """Return the status according to the files in the folder.

        Raises:
            OSError: the folder cannot be read.
        """
        if self.blocked:
            return Status("blocked", self.blocked)
        if not self.folder.is_dir():
            return Status("waiting")
        try:
            self._is_prepared()
        except InputError as error:
            return Status("failed", str(error))
        records, unreadable = read_records([self.folder])
        problems = tuple(f"{path}: {reason}" for path, reason in unreadable.items())
        digest = sha256(self.text)
        accuracies = results_of(records, digest)
        miou = None
        for split in ("val", self.wanted.split):  # the training measures that of val
            for record in accuracies:
                if record.details.get("split") == split:
                    miou = record.values.get("miou_percent")
        known = Status("waiting", "", None, miou if isinstance(miou, (int, float)) else None, problems)
        failures = [record for record in records if record.kind == "failure"]
        failure = failures[-1] if failures else None
        attempts = Attempts.read(self.folder)
        if attempts is not None:
            failure = next((record for record in failures if record.id == attempts.failure), None)
        elif records and records[-1].kind != "failure":
            failure = None
        if failure is not None:
            known = replace(known, failure=failure.id)
        steps = missing_steps(records, digest, self.wanted)
        if not steps:
            return replace(known, state="finished")
        if failure is not None:
            reason = str(failure.values.get("reason"))
            pruned = reason.startswith(PRUNED)
            state: State = "pruned" if pruned else "failed"
            return replace(known, state=state, reason=reason.removeprefix(PRUNED) if pruned else reason)
        if "train" not in steps:
            return replace(known, reason=f"trained; left to measure: {shortened(steps)}")
        saved = checkpoints_of(self.folder)
        if saved:
            return replace(known, state="cut off", reason=f"continues from {saved[0].name}")
        return known

    def record_failure(self, reason: str, exit_status: int | None, log_tail: list[str]) -> None:
        """Write a record that says why the run failed.

        Args:
            reason: the reason, in one line.
            exit_status: exit status of the process; None if it is not known.
            log_tail: last lines of the log.

        Raises:
            OSError: the record cannot be written.
        """
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
        earlier = Attempts.read(self.folder) or Attempts()
        earlier.model_copy(update={"failure": record.id}).write(self.folder)


@dataclass(frozen=True)
class LatencyJob:
    """The timing of all networks of a study, interleaved, in one process that has the machine to itself.

    Attributes:
        folder: folder for the records, the log and the configs, which have the names of their runs.
        runs: one run of each network and variant, whose config is timed.
        shape: (height, width) of the image.
        samples: number of samples of each network.
        seconds: seconds after which a network needs no further samples.
        patience_minutes: minutes without progress after which the timing counts as hanging.
    """

    folder: Path
    runs: tuple[TrainingJob, ...]
    shape: Shape
    samples: int
    seconds: float
    patience_minutes: float = PATIENCE_MINUTES

    max_iters = 0

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.folder.name

    def command(self) -> list[str]:
        """Return the words of the command that starts the timing's process."""
        numbers = {"--samples": self.samples, "--seconds": self.seconds}
        return [
            *(sys.executable, "-m", "lednet_mm.studies.worker", "time"),
            *("--shape", *map(str, self.shape)),
            *(str(part) for pair in numbers.items() for part in pair),
            *("--", str(self.folder), *(str(self._config(run)) for run in self.runs)),
        ]

    def _config(self, run: TrainingJob) -> Path:
        return self.folder / PLAN / f"{run.name}.py"

    def prepare(self) -> None:
        """Write the configs to the files from which the process reads them."""
        for run in self.runs:
            write_atomically(self._config(run), run.text.encode())

    def begin(self) -> None:
        """Do nothing: attempts need not be counted, because every sweep times what has not been timed yet."""

    def status(self) -> Status:
        """Return the status, which is finished if each config has been timed by this job's protocol.

        Raises:
            OSError: the folder cannot be read.
        """
        records, unreadable = read_records([self.folder])
        problems = tuple(f"{path}: {reason}" for path, reason in unreadable.items())
        timed = {record.config.sha256 for record in records if self._counts(record)}
        lacking = sum(sha256(run.text) not in timed for run in self.runs)
        if lacking:
            return Status("waiting", f"{lacking} networks to time", problems=problems)
        return Status("finished", problems=problems)

    def _counts(self, record: Record) -> bool:
        """Return whether a record is a latency that was measured by this job's protocol, on any device."""
        if record.kind != "latency":
            return False
        details, backend = record.details, Backend()
        protocol = {
            "shape": list(self.shape),
            "batch_size": 1,
            "engine": backend.engine,
            "deployed": backend.deployed,
            "timed": TIMED["network"],
        }
        if record.provenance.precision != backend.precision or any(
            details.get(key) != value for key, value in protocol.items()
        ):
            return False
        if record.values.get("samples", 0) >= self.samples:
            return True
        # Fewer samples are enough if the measurement took as long as it may for all networks together.
        spent = details.get("machine", {}).get("seconds")
        allowed = self.seconds * (1 + len(details.get("interleaved_with", ())))
        return isinstance(spent, (int, float)) and spent >= 0.99 * allowed - 0.1  # it is rounded

    def note_seconds(self, seconds: float) -> None:
        """Do nothing: the time of a timing is not recorded."""

    def hopeless(self) -> str:
        """Return an empty text, because a timing has no rivals."""
        return ""

    def record_failure(self, reason: str, exit_status: int | None, log_tail: list[str]) -> None:
        """Do nothing: the log has the reason, and every sweep tries again."""


Job = TrainingJob | LatencyJob
