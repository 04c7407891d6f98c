"""Running jobs on a Ray cluster: the same jobs, placed by Ray on machines that share the file system."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lednet_mm.errors import InputError, describe_error
from lednet_mm.studies.execute import Launch, Notify, Outcome, Slot, run_in_process, usable_cores
from lednet_mm.studies.jobs import Job, Status

LOCK_SECONDS = 30.0
"""How long a retry waits for the process of the attempt before it to be gone."""


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
    """
    if ray.is_initialized():
        return
    quiet = {"log_to_driver": False, "logging_level": "warning"}
    try:
        ray.init(address="auto", **quiet)
    except ConnectionError:
        ray.init(num_cpus=cores or usable_cores(), include_dashboard=False, **quiet)


def execute_on_ray(
    jobs: Sequence[Job],
    *,
    jobs_at_once: int | None = None,
    threads: int | None = None,
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
    not.

    Args:
        jobs: in the order in which they are submitted; their folders must be the same on every machine.
        jobs_at_once: at most; None is what the cluster takes.
        threads: of each job; None takes one, or beside a GPU its share of the cores, four at most.
        notify: called with every change of a job.
        launch: runs one job on a worker.
        retry_failed: take up jobs that failed before.
        tick: called about twice a second.
        max_retries: how often Ray places a job again.
        poll_seconds: how often a job that another sweep holds is looked at, once nothing else is left.

    Returns:
        Of each job by name, how it ended.

    Raises:
        InputError: Ray is not installed.
        KeyboardInterrupt: Ctrl-C; the jobs have been cancelled by then.
    """
    ray = import_ray()
    connect(ray)
    cluster = ray.cluster_resources()
    cores, gpus = int(cluster.get("CPU", 1)), int(cluster.get("GPU", 0))
    threads = threads or (max(1, min(4, cores // gpus)) if gpus else 1)
    place = ray.remote(num_cpus=threads, num_gpus=min(gpus, 1), max_retries=max_retries)(_run_on_worker)
    limit = jobs_at_once or max(1, 2 * cores)
    outcomes: dict[str, Outcome] = {}
    waiting: deque[tuple[Job, Status]] = deque()
    held: deque[tuple[Job, Status]] = deque()
    for job in jobs:
        status = job.status()
        if status.state == "finished" or (status.state == "failed" and not retry_failed):
            outcomes[job.name] = Outcome(status.state, status.reason)
        else:
            waiting.append((job, status))
        notify(job, status.state, status.reason)

    running: dict[Any, tuple[Job, Status]] = {}
    try:
        while waiting or running or held:
            if not waiting and not running:
                time.sleep(poll_seconds)
                waiting.append(held.popleft())
            while waiting and len(running) < limit:
                job, status = waiting.popleft()
                reference = place.remote(job, status, threads, str(Path.cwd()), launch or run_in_process)
                running[reference] = (job, status)
                notify(job, "running", "on the cluster")
            ready, _ = ray.wait(list(running), timeout=0.5)
            for reference in ready:
                job, status = running.pop(reference)
                outcome = _collect(ray, reference, job)
                outcomes[job.name] = outcome
                if outcome.state == "elsewhere":
                    held.append((job, status))
                notify(job, outcome.state, outcome.reason)
            tick()
    except KeyboardInterrupt:
        for reference in running:
            ray.cancel(reference, force=True)
        raise
    return {job.name: outcomes[job.name] for job in jobs}


def _collect(ray: Any, reference: Any, job: Job) -> Outcome:
    """Return the outcome of a job that Ray says is over."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayError as error:
        reason = f"Ray: {describe_error(error)}"
        job.record_failure(reason, None, str(error).splitlines()[-30:])
        return Outcome("failed", reason)


def _run_on_worker(job: Job, known: Status, threads: int, folder: str, launch: Launch) -> Outcome:
    """Run one job on the machine where Ray has placed it."""
    os.chdir(folder)
    environment = {"OMP_NUM_THREADS": str(threads)}
    slot = Slot(f"Ray worker ({threads} thread{'s' if threads > 1 else ''})", environment)
    end = time.monotonic() + LOCK_SECONDS
    while True:
        outcome = launch(job, slot, known, threading.Event())
        if outcome.state != "elsewhere" or time.monotonic() > end:
            return outcome
        time.sleep(1)
