"""Running jobs on this machine: each in a process of its own, several side by side, one a slot."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lednet_mm.environment import count_gpus
from lednet_mm.errors import InputError, describe_os_error
from lednet_mm.files import FolderLock, holder_of, is_locked
from lednet_mm.records import now
from lednet_mm.studies.jobs import FAILED, Job, State, Status, look, reason_of
from lednet_mm.studies.watching import Watch
from lednet_mm.text import one_line

LOG = "log.txt"
TAIL_LINES = 30
GRACE_SECONDS = 10.0
LEAST_SPACE = 1 << 20
"""With fewer bytes a disk counts as full."""


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


def make_slots(jobs: int | None = None, environment: Mapping[str, str] | None = None) -> list[Slot]:
    """Return the slots of this machine.

    Args:
        jobs: how many; None takes one a GPU, or without a GPU one a core (single-thread runs side by side
            waste least). More jobs than GPUs share them in turn.
        environment: further variables of the processes.

    Threads are shared out evenly; ``OMP_NUM_THREADS`` and ``CUDA_VISIBLE_DEVICES`` of the caller hold.
    """
    gpus = count_gpus()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    names = visible.split(",") if visible else [str(i) for i in range(gpus)]
    count = jobs or gpus or usable_cores()
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, usable_cores() // count))
    slots = []
    for i in range(count):
        variables = {**(environment or {}), "OMP_NUM_THREADS": threads}
        if gpus:
            variables["CUDA_VISIBLE_DEVICES"] = names[i % gpus]
        where = f"GPU {names[i % gpus]}" if gpus else f"CPU slot {i}"
        slots.append(Slot(f"{where} ({threads} thread{'s' if threads != '1' else ''})", variables))
    return slots


def admit(
    jobs: Sequence[Job], retry_failed: bool, notify: Notify
) -> tuple[dict[str, Outcome], deque[tuple[Job, Status]]]:
    """Decide which jobs are taken up: those that are neither finished nor failed.

    Args:
        jobs: all of them.
        retry_failed: take up failed ones too.
        notify: called with the state of every job.

    Returns:
        The outcomes of the jobs that stay as they are, by name; and the others in their order, each with
        its status, those last that another process runs now.
    """
    outcomes: dict[str, Outcome] = {}
    wanted: deque[tuple[Job, Status]] = deque()
    elsewhere: deque[tuple[Job, Status]] = deque()
    for job in jobs:
        status = look(job)
        if status.state == "finished" or (status.state == "failed" and not retry_failed):
            outcomes[job.name] = Outcome(status.state, status.reason)
            notify(job, status.state, status.reason)
            continue
        if status.state == "elsewhere":
            elsewhere.append((job, status))
            notify(job, status.state, status.reason)
        else:  # what was cut off or has failed before waits like any other, now that a sweep takes it up
            wanted.append((job, status))
            notify(job, "waiting", status.reason)
    return outcomes, wanted + elsewhere


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
    outcomes, waiting = admit(jobs, retry_failed, notify)
    held: deque[tuple[Job, Status]] = deque()
    stop = threading.Event()
    faults: list[BaseException] = []

    def take() -> tuple[Job, Status] | None:
        with suppress(IndexError):
            return waiting.popleft()
        try:
            both = held.popleft()
        except IndexError:
            return None
        return None if stop.wait(poll_seconds) else both

    def serve(slot: Slot, over: threading.Event) -> None:
        try:
            while not stop.is_set() and (both := take()) is not None:
                job, known = both
                outcome = without_start(job, known)
                if outcome is None:
                    notify(job, "running", slot.name)
                    outcome = attempt(launch, job, slot, known, stop)
                outcomes[job.name] = outcome
                if outcome.state == "elsewhere":
                    held.append(both)
                notify(job, outcome.state, outcome.reason)
        except BaseException as fault:  # the output cannot be written, say: the main thread has to know
            faults.append(fault)
            stop.set()
        finally:
            over.set()

    # An interrupted Thread.join takes a running thread for an ended one (CPython 3.11): hence events.
    slots = slots[: max(1, len(waiting))]
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
    except BaseException:
        stop.set()
        for over in ends[: sum(thread.ident is not None for thread in threads)]:
            over.wait()
        raise
    if faults:
        raise faults[0]
    return {job.name: outcomes[job.name] for job in jobs}


def without_start(job: Job, known: Status) -> Outcome | None:
    """Return how a job stands that another process runs, or has run meanwhile; None if it can be started."""
    if is_locked(job.folder):
        return Outcome("elsewhere", f"run by {holder_of(job.folder)}")
    return _ended_since(look(job), known)


def _ended_since(status: Status, known: Status) -> Outcome | None:
    if status.state == "finished" or (status.state == "failed" and status.failure != known.failure):
        return Outcome(status.state, status.reason)
    return None


def attempt(launch: Launch, job: Job, slot: Slot, known: Status, stop: threading.Event) -> Outcome:
    """Run one job by ``launch``; an error on the way is a failure of this job alone.

    A mistake of the user and an error of the operating system are told as they are; of anything else the
    traceback goes to the job's log.
    """
    try:
        return launch(job, slot, known, stop)
    except Exception as error:
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(job.folder)
        if not isinstance(error, (InputError, OSError)):
            with suppress(OSError, InputError), open_log(job.folder / LOG) as log:
                log.write(traceback.format_exc().encode())
        return Outcome("failed", reason_of(error))


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
        return Outcome("elsewhere", f"run by {holder_of(job.folder)}")
    with lock:
        ended = _ended_since(job.status(), known)
        if ended is not None:
            return ended
        job.prepare()
        log = job.folder / LOG
        try:
            job.begin()
            with open_log(log) as output:
                output.write(f"=== {now()} {slot.name}\n".encode())
                output.flush()  # before the process writes to the same file
                start = output.tell()
                end = _run(job, output, _environment_of(slot), lock.fd, stop)
        except OSError as error:
            return failed(job, f"cannot be started: {describe_os_error(error)}")
        except InputError as error:
            return failed(job, f"cannot be started: {error}")
        status = job.status()
        if status.state == "finished":
            return Outcome("finished")
        if end.stopped:
            return Outcome("stopped", status.reason or "starts anew, as it has no checkpoint yet")
        tail = _tail(log, start)
        return failed(job, _reason(job, end, tail), end.status, tail)


def _environment_of(slot: Slot) -> dict[str, str]:
    """Return the variables of a slot's processes, which find this package also where it is not installed."""
    root = str(Path(__file__).resolve().parents[2])
    places = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, **slot.environment, "PYTHONPATH": os.pathsep.join(places)}


def open_log(path: Path) -> IO[bytes]:
    """Open a run's log to write at its end.

    Raises:
        InputError: something else lies there, such as a symbolic link in a folder that somebody else made,
            through which a file elsewhere would be written.
        OSError: it cannot be opened.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise InputError(f"{path}: no regular file, but the run's log is written there: move it away")
    # A link or pipe that is put there meanwhile is not followed or waited for.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    return os.fdopen(os.open(path, flags, 0o666), "ab")


def failed(job: Job, reason: str, exit_status: int | None = None, tail: Sequence[str] = ()) -> Outcome:
    """Record why a job failed, where that can be written, and return this as its outcome."""
    try:
        job.record_failure(reason, exit_status, list(tail))
    except OSError as error:
        reason = f"{reason}; this could not be recorded: {describe_os_error(error)}"
    return Outcome("failed", reason)


@dataclass(frozen=True)
class _End:
    """How a process ended: its exit status (negative for a signal), and whether this process ended it."""

    status: int
    stopped: bool = False
    hung: bool = False


def _run(
    job: Job, output: IO[bytes], environment: Mapping[str, str], lock_fd: int, stop: threading.Event
) -> _End:
    """Run a job's process to its end, or end it: when ``stop`` is set, or when it makes no progress."""
    process = subprocess.Popen(
        job.command(),
        stdin=subprocess.PIPE,  # never written to: its end tells the child that this process is gone
        stdout=output,
        stderr=subprocess.STDOUT,
        env=environment,
        pass_fds=[lock_fd],
        start_new_session=True,  # Ctrl-C reaches this process only, which ends its children in order
    )
    watch = Watch(job.folder)
    with process:
        while True:
            with suppress(subprocess.TimeoutExpired):
                status = process.wait(timeout=0.5)
                _signal_group(process, signal.SIGKILL)  # what it left behind would keep the folder locked
                return _End(status)
            if stop.is_set():
                return _End(_end(process), stopped=True)
            if watch.quiet_seconds() > 60 * job.patience_minutes:
                return _End(_end(process), hung=True)


def _end(process: subprocess.Popen) -> int:
    """End a process and its children, and return its exit status."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        _signal_group(process, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=GRACE_SECONDS)
            break
    _signal_group(process, signal.SIGKILL)
    return process.wait()


def _signal_group(process: subprocess.Popen, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _tail(log: Path, start: int) -> list[str]:
    """Return the last lines of a log from a position on."""
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(start, size - 16384))
        text = file.read().decode(errors="replace")
    return [line[:500] for line in text.splitlines() if line.strip()][-TAIL_LINES:]


def _reason(job: Job, end: _End, tail: Sequence[str]) -> str:
    """Say in one line why a process ended."""
    if end.hung:
        return (
            f"no progress for {job.patience_minutes:g} min: neither its log nor its checkpoints grew; "
            "limits = dict(no_progress_minutes=...) in the study allows more"
        )
    if end.status < 0:
        name = signal.Signals(-end.status).name
        memory = " (by hand, or by the system for want of memory)" if name == "SIGKILL" else ""
        return f"killed by {name}{memory}"
    if end.status == 0:
        return "ended without all its records"
    for line in reversed(tail):
        if line.startswith(FAILED):
            return one_line(line.removeprefix(FAILED))
    if tail:
        return f"exit status {end.status}: {one_line(tail[-1])}"
    full = shutil.disk_usage(job.folder).free < LEAST_SPACE
    return f"exit status {end.status}: nothing in its log{', as there is no space left' if full else ''}"
