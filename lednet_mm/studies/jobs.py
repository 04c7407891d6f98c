"""The jobs of a study: what each runs, when it is done, and how a failure is kept."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, NonNegativeInt

from lednet_mm.catalog import COMMON
from lednet_mm.checkpoints.listing import checkpoints_of
from lednet_mm.errors import InputError, describe_error, describe_os_error, is_out_of_memory
from lednet_mm.evaluation.corruptions import Corruption
from lednet_mm.files import holder_of, is_locked, read_regular, write_atomically
from lednet_mm.literals import LARGEST, differing_keys, read_literals
from lednet_mm.records import Kind, Record, Run, collect_provenance, new_record, read_records, write_record
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
"""``queued`` is handed to a cluster that has not begun it, ``elsewhere`` is run by a process of somebody
else, ``stopped`` was ended together with the sweep, ``lost`` was run by a machine or a worker that is gone,
``cut off`` ended without a word, ``pruned`` is a trial that was ended because it was hopeless, ``blocked``
cannot be run because what it needs has failed."""
PLAN = Path("plan")
"""Where in its folder a job keeps what it was planned with."""
CONFIG = PLAN / "config.py"
"""The resolved config of a run."""
ATTEMPTS = PLAN / "attempts.json"
"""How often a run was begun, see :class:`Attempts`."""
PRUNED = "pruned: "
"""How the reason of a trial begins that was ended because it was hopeless."""
FAILED = "failed: "
"""How the last line of a job's process begins when it says why it failed."""
PATIENCE_MINUTES = 30.0
"""How long a run may make no progress, unless the study says otherwise."""


class Attempts(BaseModel):
    """How often a run was begun, how long it took, and whether its last attempt failed.

    Records and checkpoints alone cannot tell whether a failure came before or after the newest checkpoint:
    clocks of machines differ and are set back.

    Attributes:
        begun: the number of attempts.
        failure: id of the record of the last attempt's failure.
        seconds: time that the processes of all attempts took together.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    begun: NonNegativeInt = 0
    failure: str | None = None
    seconds: NonNegativeFloat = 0.0

    @classmethod
    def read(cls, folder: Path) -> Attempts | None:
        """Read the file in a run's folder; None where there is none, or a damaged one."""
        try:
            return cls.model_validate_json(read_regular(folder / ATTEMPTS, 4096))
        except (OSError, ValueError):
            return None

    def write(self, folder: Path) -> None:
        """Write the file."""
        write_atomically(folder / ATTEMPTS, self.model_dump_json().encode())


@dataclass(frozen=True)
class Status:
    """How far a job is, from what lies in its folder.

    Attributes:
        state: ``cut off`` is a run that ended without a word and continues from its last checkpoint.
        reason: why it failed, where it was cut off, or who runs it.
        failure: id of the record of its last failure.
        miou_percent: of the split that the study reports, where it is known.
        problems: files in its folder that should be records and are none, each with the reason.
    """

    state: State
    reason: str = ""
    failure: str | None = None
    miou_percent: float | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How a job stands that is being run, or how it has ended.

    Attributes:
        state: see :data:`State`.
        reason: explanation in words, where it is not finished.
    """

    state: State
    reason: str = ""


ENDED = ("finished", "failed", "pruned", "blocked")
"""The states of a job that is over until somebody asks for another attempt."""


def ended_since(status: Status, known: Status) -> Outcome | None:
    """Return how a job has ended since an earlier look at it; None if it has not.

    Args:
        status: of the job now.
        known: what it was then.
    """
    if status.state == "finished" or (status.state in ENDED and status.failure != known.failure):
        return Outcome(status.state, status.reason)
    return None


def look(job: Job) -> Status:
    """Look at a job's folder, and whether a process works in it now.

    A folder that cannot be read is a failure for as long as that is so.
    """
    try:
        status = job.status()
    except OSError as error:
        return Status("failed", describe_os_error(error))
    if status.state in ("waiting", "cut off") and is_locked(job.folder):
        return replace(status, state="elsewhere", reason=f"run by {holder_of(job.folder)}")
    return status


def reason_of(error: BaseException) -> str:
    """Say in one line why a run failed, so that what went wrong can be told on any machine."""
    if isinstance(error, InputError):
        return one_line(error)
    if isinstance(error, OSError) and error.errno is not None:
        return one_line(describe_os_error(error))
    return f"{'out of memory: ' if is_out_of_memory(error) else ''}{describe_error(error)}"


def sha256(text: str) -> str:
    """Return the sha256 of a resolved config, as records keep it."""
    return hashlib.sha256(text.encode()).hexdigest()


def training_of(records: Iterable[Record], digest: str) -> Record | None:
    """Return the record of the training that went furthest, the newest of several; None where there is none.

    Args:
        records: of the run's folder, oldest first.
        digest: sha256 of the config; records of another config do not count.
    """
    trainings = [r for r in records if r.kind == "train" and r.config.sha256 == digest]
    return max(reversed(trainings), key=lambda record: record.values["iterations"], default=None)


@dataclass(frozen=True)
class Wanted:
    """What is measured of a run.

    Attributes:
        split: whose accuracy is reported.
        shape: (height, width) to count complexity at; None counts nothing.
        measures: what is measured on that split beside the accuracy, keys of
            :data:`lednet_mm.evaluation.measures.MEASURES`.
        corruptions: with each of which the images of that split are tested once more.
    """

    split: str = "test"
    shape: Shape | None = None
    measures: tuple[str, ...] = ()
    corruptions: tuple[Corruption, ...] = ()

    @property
    def tests(self) -> tuple[str, tuple[str, ...], tuple[Corruption, ...]]:
        """What is tested of the trained weights."""
        return self.split, self.measures, self.corruptions


def results_of(records: Iterable[Record], digest: str, kind: Kind = "accuracy") -> list[Record]:
    """Return the accuracies that are results of a run: of its trained weights, without augmentation.

    Somebody may have tested a checkpoint of the unfinished run by hand, or with test-time augmentation, or
    with a config that differs from the one of the training.

    Args:
        records: of the run's folder, oldest first.
        digest: sha256 of the config; records of another config do not count.
        kind: ``accuracy`` of the images as they are, or ``corruption``.
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
        and not record.details.get("tta")
        and not record.details.get("differs")
        and (trained is None or record.provenance.checkpoint_sha256 in (None, trained))
    ]


def missing_steps(records: Iterable[Record], digest: str, wanted: Wanted) -> list[str]:
    """Return what a run still has to do, in this order.

    Args:
        records: of the run's folder.
        digest: sha256 of the config; records of another config do not count.
        wanted: what is measured of the run; the accuracy on ``val`` comes with the training.

    Returns:
        ``complexity``, ``train``, ``test``, names of measures, and corruptions as :class:`Corruption` writes
        itself: those that have no record. Each measure may be in a record of its own.
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
    """Return a list in words, of which only the first ``most`` are written out."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return f"{', '.join(words[:most])}{more}"


def planned_text(folder: Path) -> str | None:
    """Return the config that a run's folder was planned with; None where there is none.

    Raises:
        InputError: it cannot be read.
    """
    path = folder / CONFIG
    try:
        return read_regular(path, 4 * LARGEST).decode()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        fault = f"{path}: no UTF-8 text"
    except OSError as error:
        fault = describe_os_error(error)
    except ValueError as error:
        fault = f"{path}: {error}"
    raise InputError(f"{fault}: the config that this run was planned with; move the run's folder away")


def differences(earlier: str, text: str) -> str:
    """Say in words where the config of a folder differs from the one that a study plans."""
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
    """One run of a study: complexity, training, accuracy and further measures, in one process.

    Attributes:
        run: network, dataset, variant, seed, study.
        folder: takes everything the run leaves.
        text: the resolved config.
        source: the config file or the names that it came from.
        wanted: what is measured of it; complexity only of one of several seeds.
        expectation: what its variant's entry expects of it, in words; empty where there is none.
        question: what its variant's entry asks; empty where there is none.
        recipe: name of the recipe.
        max_iters: iterations of the training; 0 where the config does not say.
        patience_minutes: how long it may make no progress until it counts as hanging.
        rivals: folders of the other trials of its network, if it is ended where it is hopeless.
        blocked: why it cannot be run; empty where it can.
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
        """The folder's name."""
        return self.folder.name

    def command(self) -> list[str]:
        """Return the command line of the run's process."""
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
        """Leave the resolved config in the folder.

        Raises:
            InputError: the folder holds a run of another config, or one that cannot be read.
        """
        if not self._is_prepared():
            write_atomically(self.folder / CONFIG, self.text.encode())

    def _is_prepared(self) -> bool:
        """Say whether the resolved config lies in the folder already; raises as :meth:`prepare` does."""
        earlier = planned_text(self.folder)
        if earlier not in (None, self.text):
            raise InputError(
                f"{self.folder}: holds a run of another config ({differences(earlier, self.text)}): "
                f"{self.folder / CONFIG} was changed by hand, or the study has changed since; "
                "move the folder away or choose another --work-dir"
            )
        return earlier is not None

    def begin(self) -> None:
        """Note in the folder that an attempt begins."""
        earlier = Attempts.read(self.folder) or Attempts()
        earlier.model_copy(update={"begun": earlier.begun + 1, "failure": None}).write(self.folder)

    def note_seconds(self, seconds: float) -> None:
        """Add to the time that the run's processes have taken.

        Raises:
            OSError: the folder cannot be written.
        """
        earlier = Attempts.read(self.folder) or Attempts()
        earlier.model_copy(update={"seconds": earlier.seconds + seconds}).write(self.folder)

    def hopeless(self) -> str:
        """Say why the run cannot be expected to win against its rivals; an empty text where it may.

        That is the rule of median stopping (Golovin et al., KDD 2017), in the second half of the training
        only: its best validation so far is below the median of what the rivals that have finished, two at
        least, had reached by the same iteration.
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
        """Look into the folder.

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
        for split in ("val", self.wanted.split):  # that of val comes with the training
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
        """Keep why the run failed, as a record.

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
    """The timing of all networks of a study, interleaved in one process that has the machine to itself.

    Attributes:
        folder: takes the records, the log and the configs, under the names of their runs.
        runs: of each network and variant one run, whose config is timed.
        shape: (height, width) of the image.
        samples: of each network.
        seconds: for each network at most.
        patience_minutes: how long it may make no progress until it counts as hanging.
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
        """The folder's name."""
        return self.folder.name

    def command(self) -> list[str]:
        """Return the command line of the timing's process."""
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
        """Leave the configs where the process looks for them."""
        for run in self.runs:
            write_atomically(self._config(run), run.text.encode())

    def begin(self) -> None:
        """Nothing to note: every sweep times what is not timed yet."""

    def status(self) -> Status:
        """Look into the folder: finished when each of these configs has been timed as this job does it.

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
        """Say whether a record is a latency by this job's protocol; on which device does not matter."""
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
        # Fewer samples are enough where they took the time that all networks timed together may take.
        spent = details.get("machine", {}).get("seconds")
        allowed = self.seconds * (1 + len(details.get("interleaved_with", ())))
        return isinstance(spent, (int, float)) and spent >= 0.99 * allowed - 0.1  # it is rounded

    def note_seconds(self, seconds: float) -> None:
        """Nothing to note."""

    def hopeless(self) -> str:
        """Return an empty text: a timing has no rivals."""
        return ""

    def record_failure(self, reason: str, exit_status: int | None, log_tail: list[str]) -> None:
        """Nothing to keep: the log says it, and every sweep tries again."""


Job = TrainingJob | LatencyJob
