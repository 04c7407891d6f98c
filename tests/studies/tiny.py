"""A stand-in for real trainings: a process that writes the records and checkpoints of a run in milliseconds."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from lednet_mm.records import Provenance, Run, new_record, now, write_record
from lednet_mm.studies.jobs import TrainingJob

SCRIPT = Path(__file__).with_name("tiny_run.py")

PROVENANCE = Provenance(
    commit=None, dirty=None, versions={}, device="cpu", device_count=1, threads=1, precision="fp32", date=now(),
    command="test", host_os="test",
)  # fmt: skip


@dataclass(frozen=True)
class TinyJob(TrainingJob):
    """A run whose process is tests/studies/tiny_run.py.

    Attributes:
        behave: what the process does, see there.
        steps: of its training.
        step_seconds: each takes.
    """

    behave: str = "train"
    steps: int = 4
    step_seconds: float = 0.0

    def command(self) -> list[str]:
        """Return the command line of the stand-in."""
        numbers = [str(self.run.seed), str(self.steps), str(self.step_seconds)]
        return [sys.executable, "-S", str(SCRIPT), str(self.folder), self.behave, *numbers]

    def complete(self) -> None:
        """Write the records of a finished run."""
        write_result(self, float(self.run.seed or 0))


def write_result(job: TrainingJob, miou: float) -> None:
    """Write the records of a finished training."""
    for kind, values, details in (
        ("train", {"iterations": 4}, {}),
        ("accuracy", {"miou_percent": miou}, {"split": "val"}),
    ):
        write_record(new_record(kind, job.run, job.text, values, details, PROVENANCE), job.folder)


def tiny_jobs(folder: Path, count: int, **more) -> list[TinyJob]:
    """Return jobs of seeds 0, 1, ... below a folder."""
    return [
        TinyJob(
            run=Run(network="tiny", dataset="none", seed=seed, study="test"),
            folder=folder / f"tiny-baseline-none-seed{seed}",
            text=f"seed = {seed}\n",
            source=Path("tiny.py"),
            split="val",
            max_iters=4,
            **more,
        )
        for seed in range(count)
    ]
