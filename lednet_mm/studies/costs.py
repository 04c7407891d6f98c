"""The hours that the processes of a study have taken, and those that are left."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from lednet_mm.studies.jobs import ENDED, TrainingJob, look
from lednet_mm.studies.tuning import hours_of


@dataclass(frozen=True)
class Cost:
    """The cost of some runs, in hours.

    Attributes:
        runs: number of runs.
        spent: hours that the processes of these runs have taken.
        left: hours that the unfinished runs will take, as far as their speed is known.
        unknown: number of unfinished runs of unknown speed, as no run of their network has finished.
    """

    runs: int
    spent: float
    left: float
    unknown: int

    def __str__(self) -> str:
        text = f"{self.runs} runs, {self.spent:.1f} h spent, about {self.left:.1f} h left"
        return text + (f" and {self.unknown} runs of unknown speed" if self.unknown else "")


def cost_of(jobs: Iterable[TrainingJob], seen: Iterable[TrainingJob]) -> Cost:
    """Return the cost of some runs.

    The time of an unfinished run is estimated from the mean time per iteration of finished runs with the same
    network, variant and dataset, less the time it has already taken.

    Args:
        jobs: runs whose cost is asked for.
        seen: runs from which the speed is taken.
    """
    speeds: dict[tuple[str, str, str], list[float]] = {}
    for job in seen:
        hours = hours_of(job)
        if hours and job.max_iters and look(job).state == "finished":
            speeds.setdefault(_network(job), []).append(hours / job.max_iters)
    count, spent, left, unknown = 0, 0.0, 0.0, 0
    for job in jobs:
        count += 1
        hours = hours_of(job)
        spent += hours
        if look(job).state in ENDED:
            continue
        known = speeds.get(_network(job))
        if known and job.max_iters:
            left += max(0.0, fmean(known) * job.max_iters - hours)
        else:
            unknown += 1
    return Cost(count, spent, left, unknown)


def _network(job: TrainingJob) -> tuple[str, str, str]:
    return job.run.network, job.run.variant, job.run.dataset
