"""Run jobs by Slurm as job arrays, submitted with submitit; no daemon of this project runs on the cluster."""

from __future__ import annotations

import os
import secrets
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lednet_mm.checkpoints.listing import checkpoints_of
from lednet_mm.errors import InputError, describe_error
from lednet_mm.files import read_regular, write_atomically
from lednet_mm.studies.jobs import Job, Outcome, Status, ended_since, look
from lednet_mm.studies.process import GRACE_SECONDS, Launch, run_in_process
from lednet_mm.studies.remote import Errand, LockWatch, here
from lednet_mm.text import one_line

LARGEST_ARRAY = 1000
"""The largest number of jobs in an array; Slurm's default limit is 1001."""
REQUEUES = 10_000
"""How often submitit may requeue a job. Its progress decides whether it is requeued, see :class:`Attempt`."""
GONE_SECONDS = 20.0
"""Seconds after which a job that is missing from the queue and has written no outcome counts as lost."""
OUTCOME = TypeAdapter(Outcome)
LOG_LEVEL = "SUBMITIT_LOG_LEVEL"


@dataclass(frozen=True)
class SlurmOptions:
    """Resources that every job requests from Slurm.

    Attributes:
        partition: name of the partition; None is the cluster's default.
        account: name of the account; None is the user's default.
        gpus: number of GPUs of a job.
        cpus: number of cores, and also of threads, of a job.
        minutes: time limit of a job. A run that needs longer is requeued and continues from its checkpoint.
        further: other options of ``sbatch`` by their long names, such as ``{"qos": "high", "mem": "16G"}``.
    """

    partition: str | None = None
    account: str | None = None
    gpus: int = 1
    cpus: int = 4
    minutes: int = 240
    further: Mapping[str, str] = field(default_factory=dict)

    def parameters(self, at_once: int | None, exclusive: bool) -> dict[str, Any]:
        """Return these options in submitit's form.

        Args:
            at_once: largest number of jobs of an array that run at a time; None sets no limit.
            exclusive: whether each job has its machine to itself.
        """
        chosen = {"partition": self.partition, "account": self.account}
        found: dict[str, Any] = {f"slurm_{key}": value for key, value in chosen.items() if value is not None}
        if self.gpus:
            found["slurm_gpus_per_node"] = self.gpus
        if exclusive:
            found["slurm_exclusive"] = True
        # Time to end the process and requeue its job; if the limit is short, only a part of it.
        found["slurm_signal_delay_s"] = min(90, 10 * self.minutes)
        return {
            **found,
            "timeout_min": self.minutes,
            "cpus_per_task": self.cpus,
            "name": "lednet-mm",
            "slurm_array_parallelism": at_once or LARGEST_ARRAY,
            "slurm_additional_parameters": {"requeue": True, **self.further},
        }


def import_submitit() -> Any:
    """Import submitit.

    Left to itself, its import configures the logging of the whole process, which closes the handlers of
    others. Jobs still log as submitit does.

    Raises:
        InputError: it is not installed.
    """
    level = os.environ.get(LOG_LEVEL)
    os.environ[LOG_LEVEL] = "NOCONFIG"
    try:
        import submitit
    except ImportError:
        raise InputError("--engine slurm needs submitit: pip install -e '.[slurm]'") from None
    finally:
        del os.environ[LOG_LEVEL]
        if level is not None:
            os.environ[LOG_LEVEL] = level
    return submitit


def make_executor(folder: Path, options: SlurmOptions, at_once: int | None, exclusive: bool) -> Any:
    """Return submitit's executor for Slurm.

    Args:
        folder: folder for the scripts and the output of the jobs.
        options: resources that every job requests.
        at_once: largest number of jobs that run at a time; None sets no limit.
        exclusive: whether each job has its machine to itself.

    Raises:
        InputError: submitit is not installed, Slurm is missing on this machine, or an option is wrong.
    """
    submitit = import_submitit()
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster="slurm", slurm_max_num_timeout=REQUEUES)
    except RuntimeError as error:
        raise InputError(
            f"--engine slurm: {describe_error(error)}: run it on a machine that has srun and sbatch"
        ) from None
    executor.update_parameters(
        **options.parameters(at_once, exclusive),
        slurm_setup=[f"export PYTHONPATH={shlex.quote(_search_path())}"],
    )
    return executor


def _search_path() -> str:
    """Return the search path on which a job's Python finds this package even if it is not installed."""
    root = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])


class Attempt:
    """One attempt at a job, run by submitit on another machine.

    When Slurm announces the time limit or a preemption, submitit calls :meth:`checkpoint`. It ends the run's
    process, and requeues the job if the run has saved a new checkpoint during the attempt. Without a new
    checkpoint, every further attempt would end at the same point.

    Args:
        errand: job in the form in which it is sent.
        answer: path of the file to which the outcome is written.
    """

    def __init__(self, errand: Errand, answer: str) -> None:
        self.errand = errand
        self.answer = answer

    def __call__(self) -> None:
        """Run the job, and write down how it ended."""
        os.chdir(self.errand.folder)
        self.stop = threading.Event()
        self.first = self._checkpoint()
        signal.signal(signal.SIGTERM, lambda *_: self.stop.set())
        # It runs in a thread, because Python handles signals between two steps of the main thread.
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        while self.thread.is_alive():
            self.thread.join(0.5)

    def _run(self) -> None:
        outcome = self.errand.run(self.stop)
        write_atomically(self.answer, OUTCOME.dump_json(outcome))

    def _checkpoint(self) -> str | None:
        saved = checkpoints_of(self.errand.job.folder)
        return saved[0].name if saved else None

    def checkpoint(self) -> Any:
        """End the process; return the call that is run after requeueing, or None if it is not requeued."""
        self.stop.set()
        self.thread.join(3 * GRACE_SECONDS)
        newest = self._checkpoint()
        job = self.errand.job
        if job.status().state == "finished":
            return None
        if newest == self.first:
            reason = (
                "reached the time limit of its Slurm job without a new checkpoint: give it more time "
                "(--slurm-minutes), or save checkpoints more often"
            )
            job.record_failure(reason, None, [])
            write_atomically(self.answer, OUTCOME.dump_json(Outcome("failed", reason)))
            return None
        return import_submitit().helpers.DelayedSubmission(Attempt(self.errand, self.answer))


class SlurmEngine:
    """Submits jobs to Slurm as arrays and watches the queue.

    Args:
        executor: submitit's executor, see :func:`make_executor`.
        threads: number of threads of a job's process.
        environment: additional environment variables of the jobs' processes.
        launch: function that runs one job on the machine where Slurm has placed it.
        poll_seconds: seconds between two checks of the queue and of the jobs' folders.
    """

    def __init__(
        self,
        executor: Any,
        threads: int,
        environment: Mapping[str, str] | None = None,
        launch: Launch | None = None,
        poll_seconds: float = 2.0,
    ) -> None:
        self.executor = executor
        self.threads = threads
        self.environment = dict(environment or {})
        self.launch = launch or run_in_process
        self.poll_seconds = poll_seconds
        self.folder = Path(executor.folder).absolute()
        self._new: list[tuple[Job, Status]] = []
        self._submitted: dict[str, _Submitted] = {}
        self._watch = LockWatch("in Slurm's queue", "back in Slurm's queue")

    def has_room(self) -> bool:
        """Return whether another job fits into the next array."""
        return len(self._new) < LARGEST_ARRAY

    def start(self, job: Job, known: Status) -> None:
        """Put a job into the next array, which :meth:`watch` submits."""
        self._new.append((job, known))

    def watch(self, seconds: float) -> list[tuple[Job, Outcome]]:
        """Submit new jobs; return the changes."""
        changes = self._submit()
        if not changes:
            time.sleep(seconds)
        waited = [
            one for one in self._submitted.values() if time.monotonic() - one.looked >= self.poll_seconds
        ]
        queue = self._queue() if waited else {}
        for one in waited:
            one.looked = time.monotonic()
            outcome = self._look(one, queue)
            if outcome is not None:
                changes.append((one.job, outcome))
                if outcome.state not in ("queued", "running"):
                    del self._submitted[one.job.name]
        return changes

    def stop(self) -> list[tuple[Job, Outcome]]:
        """Cancel all jobs and wait until they have ended."""
        for one in self._submitted.values():
            one.handle.cancel(check=False)
        end = time.monotonic() + 3 * GRACE_SECONDS
        while self._queue() and time.monotonic() < end:
            time.sleep(0.5)
        return [(one.job, self._watch.stopped(one.job)) for one in self._submitted.values()]

    def _submit(self) -> list[tuple[Job, Outcome]]:
        """Submit the new jobs as one array.

        Raises:
            InputError: Slurm accepts none of the jobs.
        """
        new, self._new = self._new, []
        if not new:
            return []
        attempts = []
        for job, known in new:
            errand = Errand(job, known, self.threads, here(), self.environment, self.launch, "Slurm job")
            self.folder.mkdir(parents=True, exist_ok=True)
            attempts.append(Attempt(errand, str(self.folder / f"{secrets.token_hex(8)}.json")))
        try:
            with self.executor.batch():
                handles = [self.executor.submit(attempt) for attempt in attempts]
        except Exception as error:  # from submitit or the programs that it calls
            said = getattr(error, "stderr", None) or str(error)
            raise InputError(f"Slurm rejects the jobs: {one_line(str(said).strip())}") from error
        changes = []
        for (job, known), attempt, handle in zip(new, attempts, handles, strict=True):
            self._submitted[job.name] = _Submitted(job, known, Path(attempt.answer), handle)
            changes.append((job, self._watch.handed_over(job)))
        return changes

    def _queue(self) -> dict[str, str]:
        """Return the state of each of our jobs in Slurm's queue, by job id."""
        ids = {one.handle.job_id for one in self._submitted.values()}
        if self.executor.cluster != "slurm":  # submitit can also stand in for a cluster
            return {one.handle.job_id: "RUNNING" for one in self._submitted.values() if not one.handle.done()}
        command = ["squeue", "--me", "--noheader", "--array", "--format=%i %T"]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        except (OSError, subprocess.SubprocessError):  # the controller may be restarting
            return dict.fromkeys(ids, "UNKNOWN")
        lines = (line.split() for line in answer.stdout.splitlines())
        return {words[0]: words[1] for words in lines if len(words) == 2 and words[0] in ids}

    def _look(self, one: _Submitted, queue: Mapping[str, str]) -> Outcome | None:
        """Return the state of a job, if it has changed."""
        answer = one.read_answer()
        if answer is not None and answer.state != "stopped":  # a preempted job is requeued
            return answer
        if one.handle.job_id in queue:
            one.missing_since = None
            return self._watch.look(one.job)
        one.missing_since = one.missing_since or time.monotonic()
        if answer is None and time.monotonic() - one.missing_since < min(GONE_SECONDS, 5 * self.poll_seconds):
            return None
        ended = ended_since(look(one.job), one.known)
        return ended or Outcome("lost", f"Slurm has ended its job {one.handle.job_id}")


@dataclass
class _Submitted:
    """A job that was given to Slurm; ``looked`` and ``missing_since`` are times of this process's clock."""

    job: Job
    known: Status
    answer: Path
    handle: Any
    looked: float = 0.0
    missing_since: float | None = None

    def read_answer(self) -> Outcome | None:
        """Return the outcome that the attempt has written down; None before that."""
        try:
            return OUTCOME.validate_json(read_regular(self.answer, 1 << 20))
        except (OSError, ValidationError, ValueError):
            return None
