"""Running jobs on this machine: each in a process of its own, several side by side, one a slot."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lednet_mm.files import FolderLock, holder_of
from lednet_mm.records import now
from lednet_mm.studies.jobs import FAILED, Job, State, Status

LOG = "log.txt"
TAIL_LINES = 30
GRACE_SECONDS = 10.0


@dataclass(frozen=True)
class Slot:
    """A place where one job runs at a time.

    Attributes:
        name: for people.
        environment: variables of its processes: threads, and the GPU they see.
    """

    name: str
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Outcome:
    """How a job left its slot.

    Attributes:
        state: ``finished``, ``failed``, ``elsewhere`` (another sweep runs it) or ``stopped``.
        reason: in words, where it is not finished.
    """

    state: State
    reason: str = ""


Launch = Callable[[Job, Slot, Status, threading.Event], Outcome]
Notify = Callable[[Job, State, str], None]


def usable_cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def make_slots(jobs: int | None = None) -> list[Slot]:
    """Return the slots of this machine.

    Args:
        jobs: how many; None takes one a GPU, or without a GPU one a core (single-thread runs side by side
            waste least). More jobs than GPUs share them in turn.

    Threads are shared out evenly; ``OMP_NUM_THREADS`` and ``CUDA_VISIBLE_DEVICES`` of the caller hold.
    """
    import torch

    gpus = torch.cuda.device_count()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    names = visible.split(",") if visible else [str(i) for i in range(gpus)]
    count = jobs or gpus or usable_cores()
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, usable_cores() // count))
    slots = []
    for i in range(count):
        environment = {"OMP_NUM_THREADS": threads}
        if gpus:
            environment["CUDA_VISIBLE_DEVICES"] = names[i % gpus]
        where = f"GPU {names[i % gpus]}" if gpus else f"CPU slot {i}"
        slots.append(Slot(f"{where} ({threads} thread{'s' if threads != '1' else ''})", environment))
    return slots


def execute(
    jobs: Sequence[Job],
    slots: Sequence[Slot],
    *,
    notify: Notify = lambda job, state, reason: None,
    launch: Launch | None = None,
    retry_failed: bool = False,
    tick: Callable[[], None] = lambda: None,
    poll_seconds: float = 2.0,
) -> dict[str, Outcome]:
    """Run the jobs that are not finished; one that fails ends alone.

    Args:
        jobs: in the order in which they are taken up.
        slots: see :func:`make_slots`.
        notify: called with every change of a job, from several threads.
        launch: runs one job and returns when it is over.
        retry_failed: take up jobs that failed before; else they stay failed.
        tick: called about twice a second.
        poll_seconds: how often a job that another sweep holds is looked at, once nothing else is left.

    Returns:
        Of each job by name, how it ended.

    Raises:
        KeyboardInterrupt: Ctrl-C; the processes of all jobs have been stopped by then.
    """
    launch = launch or run_in_process
    outcomes: dict[str, Outcome] = {}
    known: dict[str, Status] = {}
    waiting: deque[Job] = deque()
    held: deque[Job] = deque()
    stop = threading.Event()
    for job in jobs:
        status = known[job.name] = job.status()
        if status.state == "finished" or (status.state == "failed" and not retry_failed):
            outcomes[job.name] = Outcome(status.state, status.reason)
        else:
            waiting.append(job)
        notify(job, status.state, status.reason)

    def take() -> Job | None:
        try:
            return waiting.popleft()
        except IndexError:
            pass
        try:
            job = held.popleft()
        except IndexError:
            return None
        return None if stop.wait(poll_seconds) else job

    def serve(slot: Slot, over: threading.Event) -> None:
        try:
            while not stop.is_set() and (job := take()) is not None:
                notify(job, "running", slot.name)
                try:
                    outcome = launch(job, slot, known[job.name], stop)
                except Exception as error:  # a defect, or a full disk: the other jobs go on
                    outcome = Outcome("failed", f"{type(error).__name__}: {error}")
                outcomes[job.name] = outcome
                if outcome.state == "elsewhere":
                    held.append(job)
                notify(job, outcome.state, outcome.reason)
        finally:
            over.set()

    # An interrupted Thread.join takes a running thread for an ended one (CPython 3.11): hence events.
    ends = [threading.Event() for _ in slots]
    threads = [
        threading.Thread(target=serve, args=both, daemon=True) for both in zip(slots, ends, strict=True)
    ]
    try:
        for thread in threads:
            thread.start()
        for over in ends:
            while not over.wait(0.5):
                tick()
    except KeyboardInterrupt:
        stop.set()
        for over in ends:
            over.wait()
        raise
    return {job.name: outcomes[job.name] for job in jobs}


def run_in_process(job: Job, slot: Slot, known: Status, stop: threading.Event) -> Outcome:
    """Run one job in a process of its own and return when it is over.

    Args:
        job: to run; nothing happens if it has been finished or has failed since ``known``.
        slot: whose environment the process gets.
        known: the job's status when the sweep began.
        stop: when set, the process is ended.
    """
    lock = FolderLock.take(job.folder)
    if lock is None:
        return Outcome("elsewhere", holder_of(job.folder))
    with lock:
        status = job.status()
        if status.state == "finished" or (status.state == "failed" and status.failure != known.failure):
            return Outcome(status.state, status.reason)
        job.prepare()
        log = job.folder / LOG
        try:
            with log.open("ab") as output:
                output.write(f"=== {now()} {slot.name}\n".encode())
                output.flush()  # before the process writes to the same file
                start = output.tell()
                exit_status = _run(job.command(), output, {**os.environ, **slot.environment}, lock.fd, stop)
        except OSError as error:
            reason = f"cannot be started: {error}"
            job.record_failure(reason, None, [])
            return Outcome("failed", reason)
        status = job.status()
        if status.state == "finished":
            return Outcome("finished")
        if stop.is_set():
            return Outcome("stopped", "continues from its last checkpoint")
        tail = _tail(log, start)
        reason = _reason(exit_status, tail)
        job.record_failure(reason, exit_status, tail)
        return Outcome("failed", reason)


def _run(
    command: Sequence[str],
    output: IO[bytes],
    environment: Mapping[str, str],
    lock_fd: int,
    stop: threading.Event,
) -> int:
    """Run a command to its end and return its exit status, negative for a signal."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,  # never written to: its end tells the child that this process is gone
        stdout=output,
        stderr=subprocess.STDOUT,
        env=environment,
        pass_fds=[lock_fd],
        start_new_session=True,  # Ctrl-C reaches this process only, which ends its children in order
    )
    with process:
        while True:
            try:
                return process.wait(timeout=0.5)
            except subprocess.TimeoutExpired:
                if stop.is_set():
                    break
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
                return process.wait(timeout=GRACE_SECONDS)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        return process.wait()


def _tail(log: Path, start: int) -> list[str]:
    """Return the last lines of a log from a position on."""
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(start, size - 16384))
        text = file.read().decode(errors="replace")
    return [line[:500] for line in text.splitlines() if line.strip()][-TAIL_LINES:]


def _reason(exit_status: int, tail: Sequence[str]) -> str:
    """Say in one line why a process ended."""
    for line in reversed(tail):
        if line.startswith(FAILED):
            return line.removeprefix(FAILED)
    if exit_status < 0:
        name = signal.Signals(-exit_status).name
        memory = " (by hand, or by the system for want of memory)" if name == "SIGKILL" else ""
        return f"killed by {name}{memory}"
    if exit_status == 0:
        return "ended without all its records"
    return f"exit status {exit_status}: {tail[-1] if tail else 'nothing in its log'}"
