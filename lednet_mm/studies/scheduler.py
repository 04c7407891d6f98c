"""The scheduler decides which jobs are started, in which order, and what happens after each has ended.

All these decisions are made here. An engine (this machine, a Ray cluster, Slurm) starts jobs where it has
room, watches them and reports their state.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from lednet_mm.files import holder_of, is_locked
from lednet_mm.studies.jobs import ENDED, Job, Outcome, State, Status, ended_since, look
from lednet_mm.studies.process import failed

RESTARTS = 3
"""How often a job is started again if its machine or worker was lost."""

Notify = Callable[[Job, State, str], None]
Follow = Callable[[Job, Outcome], Iterable[Job]]


class Engine(Protocol):
    """Starts jobs and watches them."""

    def has_room(self) -> bool:
        """Return whether another job can be started now."""

    def start(self, job: Job, known: Status) -> None:
        """Start a job, or queue it to be started.

        Args:
            job: job to run.
            known: status of the job when it was taken up.
        """

    def watch(self, seconds: float) -> Sequence[tuple[Job, Outcome]]:
        """Wait at most ``seconds`` for a change; return all changes since the last call.

        The states ``queued`` and ``running`` mean that the engine still has the job; after any other state,
        it does not.
        """

    def stop(self) -> Sequence[tuple[Job, Outcome]]:
        """End all jobs and wait until they have ended; return their states."""


def run_jobs(
    jobs: Iterable[Job],
    engine: Engine,
    *,
    notify: Notify = lambda job, state, reason: None,
    follow: Follow = lambda job, outcome: (),
    retry_failed: bool = False,
    tick: Callable[[], None] = lambda: None,
    poll_seconds: float = 2.0,
) -> dict[str, Outcome]:
    """Run the unfinished jobs; a failure ends only the job that failed.

    A job that has failed before is not run again unless ``retry_failed`` asks for it. A job that another
    sweep runs is checked again once nothing else is left. A job whose machine or worker is lost is started
    again, at most three times, and continues from its last checkpoint.

    Args:
        jobs: the jobs, in the order in which they are started.
        engine: engine that starts and watches them.
        notify: function that is called with every change of a job.
        follow: function that is called with every job that has ended; it returns the jobs that can start now.
        retry_failed: whether jobs that failed before are run again.
        tick: function that is called about twice a second.
        poll_seconds: seconds between two checks of a job that another sweep holds.

    Returns:
        The outcome of each job, by the job's name.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed; all jobs have been ended by then.
    """
    waiting: deque[tuple[Job, Status]] = deque()
    held: deque[tuple[Job, Status]] = deque()
    running: dict[str, tuple[Job, Status]] = {}
    outcomes: dict[str, Outcome] = {}
    losses: Counter[str] = Counter()
    order: list[str] = []

    def admit(some: Iterable[Job]) -> None:
        new = deque(some)
        while new:
            job = new.popleft()
            status = look(job)
            order.append(job.name)
            if status.state in ENDED and not (status.state == "failed" and retry_failed):
                outcomes[job.name] = Outcome(status.state, status.reason)
                notify(job, status.state, status.reason)
                new.extend(follow(job, outcomes[job.name]))
            elif status.state == "elsewhere":
                held.append((job, status))
                outcomes[job.name] = Outcome(status.state, status.reason)
                notify(job, status.state, status.reason)
            else:  # an interrupted or failed job that is taken up now waits like any other
                waiting.append((job, status))
                notify(job, "waiting", status.reason)

    def settle(job: Job, known: Status, outcome: Outcome) -> None:
        if outcome.state == "lost":
            losses[job.name] += 1
            if losses[job.name] <= RESTARTS:
                waiting.appendleft((job, known))
                notify(job, "waiting", f"{outcome.reason}: it is started again")
                return
            outcome = failed(job, f"{outcome.reason}, {losses[job.name]} times")
        outcomes[job.name] = outcome
        if outcome.state == "elsewhere":
            held.append((job, known))
        notify(job, outcome.state, outcome.reason)
        if outcome.state in ENDED:
            admit(follow(job, outcome))

    looked = ticked = time.monotonic()
    try:
        admit(jobs)
        while waiting or running or held:
            moment = time.monotonic()
            if not waiting and held and moment - looked >= poll_seconds:
                waiting, held, looked = held, deque(), moment
            while waiting and engine.has_room():
                job, known = waiting.popleft()
                outcome = _without_start(job, known)
                if outcome is not None:
                    settle(job, known, outcome)
                    if outcome.state == "elsewhere":
                        looked = moment
                    continue
                running[job.name] = job, known
                engine.start(job, known)
            pause = min(0.5, poll_seconds) if running or held else 0.0
            for job, outcome in engine.watch(pause):
                if outcome.state in ("queued", "running"):
                    notify(job, outcome.state, outcome.reason)
                else:
                    settle(job, running.pop(job.name)[1], outcome)
            if moment - ticked >= 0.5:
                tick()
                ticked = moment
    except BaseException:
        for job, outcome in engine.stop():
            notify(job, outcome.state, outcome.reason)
        raise
    return {name: outcomes[name] for name in order}


def _without_start(job: Job, known: Status) -> Outcome | None:
    """Return the state of a job that another process runs or has run; None if the job can be started."""
    status = look(job)
    if status.state == "elsewhere":
        return Outcome("elsewhere", status.reason)
    if status.state == "failed" and is_locked(job.folder):
        return Outcome("elsewhere", f"run by {holder_of(job.folder)}")
    return ended_since(status, known)
