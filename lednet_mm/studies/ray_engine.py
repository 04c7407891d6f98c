"""Running jobs on a Ray cluster: the same jobs, placed by Ray on machines that share the file system."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lednet_mm.errors import InputError, describe_error, describe_os_error
from lednet_mm.files import holder_of, is_locked
from lednet_mm.studies.execute import (
    GRACE_SECONDS,
    Launch,
    Notify,
    Outcome,
    Slot,
    admit,
    attempt,
    failed,
    run_in_process,
    usable_cores,
    without_start,
)
from lednet_mm.studies.jobs import Job, State, Status, reason_of

LOCK_SECONDS = 30.0
"""How long a retry waits for the process of the attempt before it to be gone."""
MOST_THREADS = 4
"""The largest number of cores that a run beside a GPU asks for."""


def import_ray() -> Any:
    """Import Ray.

    Raises:
        InputError: it is not installed.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # or Ray warns of its next version
    try:
        import ray
    except ImportError:
        raise InputError("--engine ray needs Ray: pip install -e '.[cluster]'") from None
    return ray


def connect(ray: Any, cores: int | None = None) -> None:
    """Connect to the running cluster; without one, start Ray on this machine alone.

    Args:
        ray: the module.
        cores: of a cluster that is started here; None takes those this process may use.

    Raises:
        InputError: there is a cluster, and it cannot be joined.
    """
    if ray.is_initialized():
        return
    quiet = {"log_to_driver": False, "logging_level": "error"}
    try:
        try:
            ray.init(address="auto", **quiet)
        except ConnectionError:
            if os.environ.get("RAY_ADDRESS"):  # a cluster that the user names is not replaced in silence
                raise
            ray.init(num_cpus=cores or usable_cores(), include_dashboard=False, **quiet)
    except Exception as error:  # of many classes, by the version of Ray
        token = "auth" in f"{type(error).__name__} {error}".lower()
        advice = (
            "every machine needs RAY_AUTH_MODE=token in its environment and the same ~/.ray/auth_token"
            if token
            else "`ray status` tells whether it runs; `ray stop` ends one that is left over"
        )
        raise InputError(f"the Ray cluster cannot be joined: {describe_error(error)}; {advice}") from error


def threads_of(nodes: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Return the cores and GPUs that one run asks for, so that every machine that can take one can do so.

    Args:
        nodes: as ``ray.nodes()`` lists them.

    Returns:
        One core and no GPU where no machine has a GPU; else one GPU and its share of the cores of the
        machine that has fewest beside each of its GPUs, ``MOST_THREADS`` at most.
    """
    resources = [node["Resources"] for node in nodes if node.get("Alive", True)]
    shares = [int(r.get("CPU", 0)) // int(r["GPU"]) for r in resources if r.get("GPU", 0) >= 1]
    return (max(1, min(MOST_THREADS, *shares)), 1) if shares else (1, 0)


def execute_on_ray(
    jobs: Sequence[Job],
    *,
    jobs_at_once: int | None = None,
    threads: int | None = None,
    environment: Mapping[str, str] | None = None,
    notify: Notify = lambda job, state, reason: None,
    launch: Launch | None = None,
    retry_failed: bool = False,
    tick: Callable[[], None] = lambda: None,
    max_retries: int = 3,
    poll_seconds: float = 2.0,
) -> dict[str, Outcome]:
    """Run the jobs that are not finished on the cluster.

    Each job asks for ``threads`` cores, and for a GPU where the cluster has any. A job whose Ray worker or
    machine dies is placed again by Ray and continues from its last checkpoint; one that fails by itself is
    not. A job that Ray has taken is ``queued`` until its folder is locked: then its process runs.

    Args:
        jobs: in the order in which they are submitted; their folders must be the same on every machine.
        jobs_at_once: at most; None is what the cluster takes.
        threads: of each job; None takes one, or beside a GPU its share of the cores, four at most.
        environment: further variables of the jobs' processes.
        notify: called with every change of a job.
        launch: runs one job on a worker.
        retry_failed: take up jobs that failed before.
        tick: called about twice a second.
        max_retries: how often Ray places a job again.
        poll_seconds: how often the folders of submitted jobs are looked at, and a job that another sweep
            holds once nothing else is left.

    Returns:
        Of each job by name, how it ended.

    Raises:
        InputError: Ray is not installed, or its cluster cannot be joined.
        KeyboardInterrupt: Ctrl-C; the jobs have been cancelled by then.
    """
    ray = import_ray()
    connect(ray)
    share, gpus = threads_of(ray.nodes())
    threads = threads or share
    place = ray.remote(num_cpus=threads, num_gpus=gpus, max_retries=max_retries)(_run_on_worker)
    limit = jobs_at_once or max(1, 2 * int(ray.cluster_resources().get("CPU", 1)))
    outcomes, waiting = admit(jobs, retry_failed, notify)
    held: deque[tuple[Job, Status]] = deque()
    submitted: dict[Any, tuple[Job, Status]] = {}
    states = _States(notify)
    looked = time.monotonic()

    def settle(job: Job, known: Status, outcome: Outcome) -> None:
        outcomes[job.name] = outcome
        if outcome.state == "elsewhere":
            held.append((job, known))
        notify(job, outcome.state, outcome.reason)

    try:
        while waiting or submitted or held:
            if not waiting and not submitted:
                time.sleep(poll_seconds)
                waiting.append(held.popleft())
            while waiting and len(submitted) < limit:
                job, known = waiting.popleft()
                outcome = without_start(job, known)
                if outcome is not None:
                    settle(job, known, outcome)
                    continue
                here = (threads, str(Path.cwd()), dict(environment or {}))
                reference = place.remote(job, known, *here, launch or run_in_process)
                submitted[reference] = (job, known)
                states.submitted(job)
            ready = ray.wait(list(submitted), timeout=0.5)[0] if submitted else []
            for reference in ready:
                job, known = submitted.pop(reference)
                settle(job, known, _collect(ray, reference, job))
            if time.monotonic() - looked >= poll_seconds:
                for job, _ in submitted.values():
                    states.look(job)
                looked = time.monotonic()
            tick()
    except BaseException:
        for reference in submitted:
            ray.cancel(reference, force=True)
        if submitted:
            ray.wait(list(submitted), num_returns=len(submitted), timeout=GRACE_SECONDS)
        for job, _ in submitted.values():
            states.stopped(job)
        raise
    return {job.name: outcomes[job.name] for job in jobs}


class _States:
    """Tells of the jobs that Ray has which are queued and which run, by the locks on their folders."""

    def __init__(self, notify: Notify) -> None:
        self.notify = notify
        self.state: dict[str, State] = {}
        self.unlocked: Counter[str] = Counter()

    def submitted(self, job: Job) -> None:
        self._tell(job, "queued", "on the cluster")

    def look(self, job: Job) -> None:
        if is_locked(job.folder):
            self.unlocked[job.name] = 0
            if self.state[job.name] != "running":
                self._tell(job, "running", holder_of(job.folder))
            return
        # The lock of a job that has just ended is gone a moment before Ray says so: hence twice.
        self.unlocked[job.name] += 1
        if self.unlocked[job.name] > 1 and self.state[job.name] == "running":
            self._tell(job, "queued", "its worker has died: Ray places it again")

    def stopped(self, job: Job) -> None:
        if self.state[job.name] == "running":
            status = job.status()
            self._tell(job, "stopped", status.reason or "starts anew, as it has no checkpoint yet")
        else:
            self._tell(job, "waiting", "")

    def _tell(self, job: Job, state: State, reason: str) -> None:
        self.state[job.name] = state
        self.notify(job, state, reason)


def _collect(ray: Any, reference: Any, job: Job) -> Outcome:
    """Return the outcome of a job that Ray says is over."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:  # Ray's wrapping of what was raised on the worker
        reason = reason_of(error.cause)
        tail = str(error)
    except ray.exceptions.RayError as error:
        reason = f"Ray: {reason_of(error)}"
        tail = str(error)
    return failed(job, reason, None, tail.splitlines()[-30:])


def _run_on_worker(
    job: Job, known: Status, threads: int, folder: str, environment: Mapping[str, str], launch: Launch
) -> Outcome:
    """Run one job on the machine where Ray has placed it."""
    machine = socket.gethostname()
    try:
        os.chdir(folder)
    except OSError as error:
        return Outcome(
            "failed", f"{machine}: {describe_os_error(error)}; every machine needs it under the same path"
        )
    os.environ.update(environment)  # for the records that this process writes itself
    slot = Slot(
        f"Ray worker on {machine} ({threads} thread{'s' if threads > 1 else ''})",
        {**environment, "OMP_NUM_THREADS": str(threads)},
    )
    end = time.monotonic() + LOCK_SECONDS
    while True:
        outcome = attempt(launch, job, slot, known, threading.Event())
        if outcome.state != "elsewhere" or time.monotonic() > end:
            return outcome
        time.sleep(1)
