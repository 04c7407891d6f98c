"""A stand-in for real trainings: processes that write checkpoints and records of a run in milliseconds."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lednet_mm.files import write_atomically
from lednet_mm.records import Provenance, Run, new_record, now, read_records
from lednet_mm.studies.jobs import Outcome, TrainingJob, Wanted
from lednet_mm.studies.local_engine import LocalEngine
from lednet_mm.studies.process import Launch, Slot
from lednet_mm.studies.scheduler import run_jobs

SCRIPT = Path(__file__).with_name("tiny_run.py")
SLOTS = [Slot(f"slot {i}", {"OMP_NUM_THREADS": "1"}) for i in range(2)]


def provenance() -> Provenance:
    return Provenance(
        commit=None,
        dirty=None,
        versions={},
        device="cpu",
        device_count=1,
        threads=1,
        precision="fp32",
        date=now(),
        command="test",
        host_os="test",
    )


@dataclass(frozen=True)
class TinyJob(TrainingJob):
    """A run whose process is tiny_run.py; ``behave`` and the steps are explained there."""

    behave: str = "train"
    steps: int = 4
    step_seconds: float = 0.0

    def command(self) -> list[str]:
        """Return the command line of the stand-in."""
        numbers = [str(self.run.seed), str(self.steps), str(self.step_seconds)]
        return [sys.executable, "-S", str(SCRIPT), str(self.folder), self.behave, *numbers]

    def prepare(self) -> None:
        """Write the records that the process will complete."""
        super().prepare()
        records = [
            new_record("train", self.run, self.text, {"iterations": self.steps}, {}, provenance()),
            new_record(
                "accuracy", self.run, self.text, {"miou_percent": 0.0}, {"split": "val"}, provenance()
            ),
        ]
        text = json.dumps([record.model_dump(by_alias=True) for record in records])
        write_atomically(self.folder / "plan" / "records.json", text.encode())


def tiny_jobs(folder: Path, count: int, **more) -> list[TinyJob]:
    """Return jobs with the seeds 0, 1, ... in a folder."""
    return [
        TinyJob(
            run=Run(network="tiny", dataset="none", seed=seed, study="test"),
            folder=folder / f"tiny-default-none-seed{seed}",
            text=f"seed = {seed}\n",
            source=Path("tiny.py"),
            wanted=Wanted("val"),
            max_iters=4,
            **more,
        )
        for seed in range(count)
    ]


def execute(
    jobs: Sequence[TrainingJob], slots: Sequence[Slot], launch: Launch | None = None, **more
) -> dict[str, Outcome]:
    """Run jobs on this machine."""
    return run_jobs(jobs, LocalEngine(slots, launch), **more)


def results(folder: Path) -> dict[int | None, float]:
    """Return the mIoU of the finished runs in a folder, by seed."""
    records, problems = read_records([folder])
    assert not problems
    return {r.run.seed: r.values["miou_percent"] for r in records if r.kind == "accuracy"}


def starts(job: TrainingJob) -> int:
    """Return how often a job's process has been started."""
    return len((job.folder / "starts").read_text().splitlines())
