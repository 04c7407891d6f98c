"""Run jobs on a Ray cluster, whose machines share the file system."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from lednet_mm.errors import InputError, describe_error
from lednet_mm.studies.jobs import Job, Outcome, Status, reason_of
from lednet_mm.studies.process import GRACE_SECONDS, Launch, failed, run_in_process, usable_cores
from lednet_mm.studies.remote import Errand, LockWatch, here

MOST_THREADS = 4
"""The largest number of cores that a run with a GPU asks for."""


def import_ray() -> Any:
    """Import Ray.

    Raises:
        InputError: it is not installed.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else Ray warns of a future change
    try:
        import ray
    except ImportError:
        raise InputError("--engine ray needs Ray: pip install -e '.[cluster]'") from None
    return ray


def connect(ray: Any, cores: int | None = None) -> None:
    """Connect to the running cluster; if there is none, start Ray on this machine.

    Args:
        ray: the module ``ray``.
        cores: number of cores of a cluster that is started here; None takes those this process may use.

    Raises:
        InputError: there is a cluster, but it cannot be joined.
    """
    if ray.is_initialized():
        return
    quiet = {"log_to_driver": False, "logging_level": "error"}
    try:
        try:
            ray.init(address="auto", **quiet)
        except ConnectionError:
            if os.environ.get("RAY_ADDRESS"):  # the user named a cluster, which must not be replaced silently
                raise
            ray.init(num_cpus=cores or usable_cores(), include_dashboard=False, **quiet)
    except Exception as error:  # the class depends on the version of Ray
        token = "auth" in f"{type(error).__name__} {error}".lower()
        advice = (
            "every machine needs RAY_AUTH_MODE=token in its environment and the same ~/.ray/auth_token"
            if token
            else "`ray status` tells whether it runs; `ray stop` ends one that is left over"
        )
        raise InputError(f"the Ray cluster cannot be joined: {describe_error(error)}; {advice}") from error


def threads_of(nodes: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Return the numbers of cores and GPUs that one run asks for, so that every suitable machine can run it.

    Args:
        nodes: the list of machines from ``ray.nodes()``.

    Returns:
        One core and no GPU if no machine has a GPU. Otherwise one GPU and the smallest share of cores per GPU
        among the machines with GPUs, at most ``MOST_THREADS``.
    """
    resources = [node["Resources"] for node in nodes if node.get("Alive", True)]
    shares = [int(r.get("CPU", 0)) // int(r["GPU"]) for r in resources if r.get("GPU", 0) >= 1]
    return (max(1, min(MOST_THREADS, *shares)), 1) if shares else (1, 0)


class RayEngine:
    """Gives jobs to Ray, which places them on the machines of its cluster.

    Each job asks for ``threads`` cores, and for a GPU if the cluster has any.

    Args:
        jobs_at_once: largest number of jobs that Ray has at a time; None is twice the cluster's cores.
        environment: additional environment variables of the jobs' processes.
        launch: function that runs one job on a worker.
        poll_seconds: seconds between two checks of the jobs' folders.

    Raises:
        InputError: Ray is not installed, or its cluster cannot be joined.
    """

    def __init__(
        self,
        jobs_at_once: int | None = None,
        environment: Mapping[str, str] | None = None,
        launch: Launch | None = None,
        poll_seconds: float = 2.0,
    ) -> None:
        self.ray = import_ray()
        connect(self.ray)
        self.threads, gpus = threads_of(self.ray.nodes())
        # The scheduler decides what happens to a job whose worker dies.
        self.place = self.ray.remote(num_cpus=self.threads, num_gpus=gpus, max_retries=0)(_run_on_worker)
        self.limit = jobs_at_once or max(1, 2 * int(self.ray.cluster_resources().get("CPU", 1)))
        self.environment = dict(environment or {})
        self.launch = launch or run_in_process
        self.poll_seconds = poll_seconds
        self._placed: dict[Any, Job] = {}
        self._watch = LockWatch("on the cluster", "its worker has died")
        self._changes: list[tuple[Job, Outcome]] = []
        self._looked = time.monotonic()

    def has_room(self) -> bool:
        """Return whether Ray can take another job."""
        return len(self._placed) < self.limit

    def start(self, job: Job, known: Status) -> None:
        """Give a job to Ray."""
        errand = Errand(job, known, self.threads, here(), self.environment, self.launch, "Ray worker")
        self._placed[self.place.remote(errand)] = job
        self._changes.append((job, self._watch.handed_over(job)))

    def watch(self, seconds: float) -> list[tuple[Job, Outcome]]:
        """Wait at most ``seconds`` for the end of a job; return the changes."""
        changes, self._changes = self._changes, []
        if not self._placed:
            time.sleep(seconds)
            return changes
        ready, _ = self.ray.wait(list(self._placed), timeout=seconds)
        for reference in ready:
            job = self._placed.pop(reference)
            changes.append((job, self._collect(reference, job)))
        if time.monotonic() - self._looked >= self.poll_seconds:
            looks = [(job, self._watch.look(job)) for job in self._placed.values()]
            changes += [(job, outcome) for job, outcome in looks if outcome is not None]
            self._looked = time.monotonic()
        return changes

    def stop(self) -> list[tuple[Job, Outcome]]:
        """Cancel all jobs."""
        for reference in self._placed:
            self.ray.cancel(reference, force=True)
        if self._placed:
            self.ray.wait(list(self._placed), num_returns=len(self._placed), timeout=GRACE_SECONDS)
        return [(job, self._watch.stopped(job)) for job in self._placed.values()]

    def _collect(self, reference: Any, job: Job) -> Outcome:
        """Return the outcome of a job that Ray reports as ended."""
        exceptions = self.ray.exceptions
        gone = (exceptions.WorkerCrashedError, exceptions.LocalRayletDiedError, exceptions.NodeDiedError)
        try:
            return self.ray.get(reference)
        except exceptions.RayTaskError as error:  # Ray's wrapper of the worker's exception
            return failed(job, reason_of(error.cause), None, str(error).splitlines()[-30:])
        except gone as error:
            return Outcome("lost", f"Ray: {reason_of(error)}")
        except exceptions.RayError as error:
            return failed(job, f"Ray: {reason_of(error)}", None, str(error).splitlines()[-30:])


def _run_on_worker(errand: Errand) -> Outcome:
    """Run one job on the machine where Ray has placed it."""
    return errand.run(threading.Event())
