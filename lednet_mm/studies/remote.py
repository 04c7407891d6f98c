"""Common parts of the engines whose jobs run on other machines, which share the file system with this one."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lednet_mm.errors import describe_os_error
from lednet_mm.files import holder_of, is_locked
from lednet_mm.studies.jobs import Job, Outcome, Status
from lednet_mm.studies.process import Launch, Slot, attempt
from lednet_mm.text import counted

LOCK_SECONDS = 30.0
"""Seconds that a further attempt waits for the end of the previous attempt's process."""


@dataclass(frozen=True)
class Errand:
    """One job in the form in which it is sent to another machine.

    Attributes:
        job: job to run; its folder has the same path on every machine.
        known: status of the job when it was taken up.
        threads: number of threads of its process.
        folder: current folder of the sweep, to which the job's paths are relative.
        environment: additional environment variables of its process.
        launch: function that runs one job and returns when it has ended.
        kind: kind of place where it runs, for people, such as ``Ray worker``.
    """

    job: Job
    known: Status
    threads: int
    folder: str
    environment: Mapping[str, str]
    launch: Launch
    kind: str

    def run(self, stop: threading.Event) -> Outcome:
        """Run the job on this machine.

        Args:
            stop: event that is set to end the job's process.
        """
        machine = socket.gethostname()
        try:
            os.chdir(self.folder)
        except OSError as error:
            reason = f"{machine}: {describe_os_error(error)}; it must have the same path on every machine"
            return Outcome("failed", reason)
        os.environ.update(self.environment)  # for the records that this process writes itself
        slot = Slot(
            f"{self.kind} on {machine} ({counted(self.threads, 'thread')})",
            {**self.environment, "OMP_NUM_THREADS": str(self.threads)},
        )
        end = time.monotonic() + LOCK_SECONDS
        while True:
            outcome = attempt(self.launch, self.job, slot, self.known, stop)
            if outcome.state != "elsewhere" or time.monotonic() > end:
                return outcome
            time.sleep(1)


class LockWatch:
    """Finds out by the locks on their folders which jobs of a cluster are waiting and which are running.

    Args:
        where: description of the place where waiting jobs are, such as ``on the cluster``.
        again: description of what happened to a job whose worker has died.
    """

    def __init__(self, where: str, again: str) -> None:
        self.where = where
        self.again = again
        self._running: dict[str, bool] = {}
        self._unlocked: Counter[str] = Counter()

    def handed_over(self, job: Job) -> Outcome:
        """Return the state of a job that was just given to the cluster."""
        self._running[job.name] = False
        return Outcome("queued", self.where)

    def look(self, job: Job) -> Outcome | None:
        """Check the lock of a job's folder; return the job's state if it has changed."""
        if is_locked(job.folder):
            self._unlocked[job.name] = 0
            if not self._running[job.name]:
                self._running[job.name] = True
                return Outcome("running", holder_of(job.folder))
            return None
        # The lock of an ended job is released just before the cluster reports the end, so look twice.
        self._unlocked[job.name] += 1
        if self._unlocked[job.name] > 1 and self._running[job.name]:
            self._running[job.name] = False
            return Outcome("queued", self.again)
        return None

    def stopped(self, job: Job) -> Outcome:
        """Return the state of a job that was cancelled on the cluster."""
        if not self._running[job.name]:
            return Outcome("waiting")
        return Outcome("stopped", job.status().reason or "starts anew, as it has no checkpoint yet")


def here() -> str:
    """Return the path of the current folder, to which the paths of jobs are relative."""
    return str(Path.cwd())
