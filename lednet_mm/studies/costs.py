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
        runs: their number.
        spent: hours that their processes have taken.
        left: hours that those will take that are not over, as far as their speed is known.
        unknown: number of runs that are not over and whose network has not been trained to the end here.
        unknown_iterations: iterations of the trainings of those.
        untested: number of runs in ``left`` of which only the training is known, because no run of their
            network has been tested as they will be.
    """

    runs: int
    spent: float
    left: float
    unknown: int
    unknown_iterations: int = 0
    untested: int = 0

    def __str__(self) -> str:
        text = f"{self.runs} runs, {self.spent:.1f} h spent, about {self.left:.1f} h left"
        if self.untested:
            text += f" without the tests of {self.untested} runs, whose time is not known yet"
        if self.unknown:
            iterations = f" ({self.unknown_iterations:,} iterations)" if self.unknown_iterations else ""
            text += f" and {self.unknown} runs of unknown speed{iterations}"
        return text


def cost_of(jobs: Iterable[TrainingJob], seen: Iterable[TrainingJob]) -> Cost:
    """Return the cost of some runs.

    A run that is not over takes as long as those of the same network, variant and dataset have taken on
    average for each iteration, less what it has taken already: those that were tested as it will be or,
    without any, those with other tests (trials, for instance, which are tested on val alone).

    Args:
        jobs: runs whose cost is asked for.
        seen: runs from which the speed is taken.
    """
    speeds: dict[tuple, list[float]] = {}
    for job in seen:
        hours = hours_of(job)
        if hours and job.max_iters and look(job).state == "finished":
            for key in (_network(job), (_network(job), job.wanted.tests)):
                speeds.setdefault(key, []).append(hours / job.max_iters)
    count, spent, left, unknown, iterations, untested = 0, 0.0, 0.0, 0, 0, 0
    for job in jobs:
        count += 1
        hours = hours_of(job)
        spent += hours
        if look(job).state in ENDED:
            continue
        tested = speeds.get((_network(job), job.wanted.tests))
        known = tested or speeds.get(_network(job))
        if known and job.max_iters:
            left += max(0.0, fmean(known) * job.max_iters - hours)
            untested += tested is None
        else:
            unknown += 1
            iterations += job.max_iters
    return Cost(count, spent, left, unknown, iterations, untested)


def _network(job: TrainingJob) -> tuple[str, str, str]:
    return job.run.network, job.run.variant, job.run.dataset
