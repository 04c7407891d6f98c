"""Run one job in its own process: its log, its lock, how it ends, and what is recorded about that."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lednet_mm.errors import InputError, describe_os_error
from lednet_mm.files import FolderLock, holder_of
from lednet_mm.records import now
from lednet_mm.studies.jobs import FAILED, PRUNED, Job, Outcome, Status, ended_since, reason_of
from lednet_mm.studies.watching import Watch
from lednet_mm.text import one_line

LOG = "log.txt"
TAIL_LINES = 30
GRACE_SECONDS = 10.0
LEAST_SPACE = 1 << 20
"""A disk with less free space than this many bytes counts as full."""
LOOK_SECONDS = 5.0
"""Seconds between two comparisons of a trial with the other trials of its network."""
NOTE_SECONDS = 60.0
"""Seconds after which the time that a running job has taken is written down again."""


@dataclass(frozen=True)
class Slot:
    """A place where one job runs at a time.

    Attributes:
        name: name for people.
        environment: environment variables of its processes, such as the number of threads and the GPU.
    """

    name: str
    environment: Mapping[str, str]


Launch = Callable[[Job, Slot, Status, threading.Event], Outcome]


def usable_cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def attempt(launch: Launch, job: Job, slot: Slot, known: Status, stop: threading.Event) -> Outcome:
    """Run one job by ``launch``; an exception is recorded as a failure of this job only.

    A mistake of the user or an error of the operating system is reported in its own words. For any other
    exception, the traceback goes to the job's log.
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
    """Run one job in its own process and return when it has ended.

    Args:
        job: job to run; nothing happens if it has finished or failed since ``known``.
        slot: slot whose environment the process gets.
        known: status of the job when the sweep began.
        stop: event that is set to end the process.
    """
    lock = FolderLock.take(job.folder)
    if lock is None:
        return Outcome("elsewhere", f"run by {holder_of(job.folder)}")
    with lock:
        ended = ended_since(job.status(), known)
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
            job.note_seconds(end.seconds)
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
        if end.hopeless:
            job.record_failure(f"{PRUNED}{end.hopeless}", end.status, tail)
            return Outcome("pruned", end.hopeless)
        return failed(job, _reason(job, end, tail), end.status, tail)


def _environment_of(slot: Slot) -> dict[str, str]:
    """Return the variables of a slot's processes, which find this package even if it is not installed."""
    root = str(Path(__file__).resolve().parents[2])
    places = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, **slot.environment, "PYTHONPATH": os.pathsep.join(places)}


def open_log(path: Path) -> IO[bytes]:
    """Open a run's log for appending.

    Raises:
        InputError: the path is not a regular file. For example, a symbolic link in a folder that somebody
            else made could lead to any file.
        OSError: the log cannot be opened.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise InputError(f"{path}: not a regular file, but the run's log is written there: move it away")
    # If a link or pipe is put there in the meantime, it is neither followed nor waited for.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    return os.fdopen(os.open(path, flags, 0o666), "ab")


def failed(job: Job, reason: str, exit_status: int | None = None, tail: Sequence[str] = ()) -> Outcome:
    """Record why a job failed, if that is possible, and return the outcome."""
    try:
        job.record_failure(reason, exit_status, list(tail))
    except OSError as error:
        reason = f"{reason}; this could not be recorded: {describe_os_error(error)}"
    return Outcome("failed", reason)


@dataclass(frozen=True)
class _End:
    """How a process ended.

    Attributes:
        status: exit status, negative for a signal.
        seconds: time it ran, less the time that has been written down already.
        stopped: whether it was ended together with the sweep.
        hung: whether it was ended because it made no progress.
        hopeless: why it was ended as a trial that cannot win; empty if it was not.
    """

    status: int
    seconds: float
    stopped: bool = False
    hung: bool = False
    hopeless: str = ""


def _run(
    job: Job, output: IO[bytes], environment: Mapping[str, str], lock_fd: int, stop: threading.Event
) -> _End:
    """Run a job's process until it ends, or end it.

    The process is ended when ``stop`` is set, when it makes no progress, or if it is a trial that cannot win.
    """
    process = subprocess.Popen(
        job.command(),
        stdin=subprocess.PIPE,  # never written to: when it closes, the child knows that this process is gone
        stdout=output,
        stderr=subprocess.STDOUT,
        env=environment,
        pass_fds=[lock_fd],
        start_new_session=True,  # Ctrl-C reaches this process only, which ends its children in order
    )
    watch = Watch(job.folder)
    since = looked = time.monotonic()
    with process:
        while True:
            with suppress(subprocess.TimeoutExpired):
                status = process.wait(timeout=0.5)
                _signal_group(process, signal.SIGKILL)  # child processes would keep the folder locked
                return _End(status, time.monotonic() - since)
            moment = time.monotonic()
            if stop.is_set():
                return _End(_end(process), moment - since, stopped=True)
            if watch.quiet_seconds() > 60 * job.patience_minutes:
                return _End(_end(process), moment - since, hung=True)
            if moment - looked >= LOOK_SECONDS:
                looked = moment
                if hopeless := job.hopeless():
                    return _End(_end(process), moment - since, hopeless=hopeless)
            if moment - since >= NOTE_SECONDS:
                job.note_seconds(moment - since)
                since = moment


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
    """Return the last lines of a log that were written after a position."""
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(start, size - 16384))
        text = file.read().decode(errors="replace")
    return [line[:500] for line in text.splitlines() if line.strip()][-TAIL_LINES:]


def _reason(job: Job, end: _End, tail: Sequence[str]) -> str:
    """Return one line that says why a process ended."""
    if end.hung:
        return (
            f"no progress for {job.patience_minutes:g} min: neither its log nor its checkpoints grew; "
            "limits = dict(no_progress_minutes=...) in the study allows more"
        )
    if end.status < 0:
        name = signal.Signals(-end.status).name
        memory = " (by hand, or by the system because memory ran out)" if name == "SIGKILL" else ""
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
