"""Measure what a study costs besides its trainings, by planning and scheduling runs that do nothing.

python benchmarks/sweep_overhead.py [--runs 10000]

The script prints the milliseconds per run for a tenth of the runs and for all of them, and writes both as a
record. If the cost is linear, the two figures are equal. The row ``process`` has a tenth as many runs, which
have everything that a real run has except the training: a folder, a lock, a config and a process. If Ray is
installed, it is measured with runs that do nothing on two workers.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import lednet_mm.register  # noqa: F401
from lednet_mm.errors import run_command
from lednet_mm.records import Run, collect_provenance, new_record, write_record
from lednet_mm.studies.jobs import Outcome, Status, TrainingJob
from lednet_mm.studies.local_engine import LocalEngine
from lednet_mm.studies.plan import make_plan
from lednet_mm.studies.process import Slot
from lednet_mm.studies.scheduler import run_jobs

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "lednet_streets.py"
SLOTS = [Slot(f"slot {i}", {}) for i in range(2)]


@dataclass(frozen=True)
class NoOp(TrainingJob):
    """A run whose process ends at once, and which is finished when its log exists."""

    def command(self) -> list[str]:
        """Return a command that does nothing."""
        return ["true"]

    def status(self) -> Status:
        """Return whether the run is finished, which its log shows."""
        return Status("finished" if (self.folder / "log.txt").exists() else "waiting")


def no_ops(count: int, folder: Path) -> list[NoOp]:
    """Return ``count`` runs that do nothing, each with a folder of its own in ``folder``."""
    run = Run(network="none", dataset="none")
    return [NoOp(run, folder / f"run{i}", f"run = {i}\n", CONFIG) for i in range(count)]


def nothing(*_: object) -> Outcome:
    """Say that a job is finished, without doing anything for it."""
    return Outcome("finished")


def plan(count: int, folder: Path) -> None:
    """Plan one config with ``count`` seeds, and look at the status of every run."""
    study = folder / "many.py"
    study.write_text(
        f'title = "many"\nruns = [dict(configs=[{str(CONFIG)!r}], seeds=list(range({count})))]\n'
    )
    for run in make_plan(study, folder / "work").runs:
        run.status()


def on_ray(count: int, folder: Path) -> None:
    """Schedule ``count`` runs that do nothing on Ray."""
    from lednet_mm.studies.ray_engine import RayEngine

    run_jobs(no_ops(count, folder), RayEngine(launch=nothing))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each row, print the table and write the record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=10000, help="number of runs (default 10000)")
    parser.add_argument(
        "--work-dir", default="work_dirs/benchmarks/sweep_overhead", help="folder for records"
    )
    chosen = parser.parse_args(arguments)
    runs = chosen.runs
    rows: list[tuple[str, int, Callable[[int, Path], object]]] = [
        ("plan", runs, plan),
        ("schedule, local", runs, lambda n, folder: run_jobs(no_ops(n, folder), LocalEngine(SLOTS, nothing))),
        ("process, local", runs // 10, lambda n, folder: run_jobs(no_ops(n, folder), LocalEngine(SLOTS))),
    ]
    if find_spec("ray"):
        import ray

        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
        with tempfile.TemporaryDirectory() as folder:
            on_ray(4, Path(folder))  # its workers import the package once
        rows.append(("schedule, Ray", runs, on_ray))
    else:
        print("Ray is not installed: not measured", file=sys.stderr)
    print(f"{'':16} {'runs':>7} {'ms/run':>8}   {'runs':>7} {'ms/run':>8}   total")
    values = {}
    for name, count, work in rows:
        cells = []
        for n in (count // 10, count):
            with tempfile.TemporaryDirectory() as folder:
                start = time.perf_counter()
                work(n, Path(folder))
                cells.append((n, time.perf_counter() - start))
            key = f"{name.replace(', ', '_').lower()}_{n}_runs_ms_per_run"
            values[key] = 1000 * cells[-1][1] / n
        figures = "   ".join(f"{n:7} {1000 * seconds / n:8.3f}" for n, seconds in cells)
        print(f"{name:16} {figures}   {cells[-1][1]:.1f} s", flush=True)
    run = Run(network="none", dataset="none", variant="sweep overhead")
    record = new_record("benchmark", run, "", values, {"runs": runs}, collect_provenance())
    write_record(record, chosen.work_dir)


if __name__ == "__main__":
    run_command(main)
