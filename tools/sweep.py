"""Run a study, or continue it: everything that has no finished record yet."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections import Counter
from types import FrameType

import lednet_mm  # noqa: F401  (first: threads are set before PyTorch starts)
from lednet_mm.errors import run_command
from lednet_mm.files import write_atomically
from lednet_mm.studies.execute import Outcome, Slot, execute, make_slots
from lednet_mm.studies.plan import Plan, check_folders, make_plan
from lednet_mm.terminal import make_console


def main() -> int:
    """Parse the arguments, plan, run; 0 if every run is finished, 1 if some are not."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="examples:\n"
        "  python tools/sweep.py configs/studies/smoke.py --dry-run\n"
        "  python tools/sweep.py configs/studies/smoke.py\n"
        "  python tools/sweep.py configs/studies/smoke.py --retry-failed --jobs 2",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("study", help="study file, see configs/studies/")
    parser.add_argument("--work-dir", help="where the runs go (default work_dirs/<name of the study>)")
    parser.add_argument("--engine", choices=["local", "ray"], default="local")
    parser.add_argument(
        "--jobs",
        type=int,
        help="runs side by side (default: one a GPU, else one a core; with ray what the cluster takes)",
    )
    parser.add_argument("--dry-run", action="store_true", help="print the plan and stop")
    parser.add_argument("--retry-failed", action="store_true", help="take up runs that failed before")
    arguments = parser.parse_args()
    if arguments.jobs is not None and arguments.jobs < 1:
        parser.error("--jobs must be at least 1")

    console = make_console()
    plan = make_plan(arguments.study, arguments.work_dir)
    check_folders(plan)
    slots = make_slots(arguments.jobs)
    if arguments.dry_run:
        show_plan(plan, slots, console)
        return 0
    write_atomically(plan.work_dir / "study.json", json.dumps(plan.describe(), indent=1).encode())
    signal.signal(signal.SIGTERM, interrupt)
    try:
        outcomes = run(plan, slots, arguments, console)
    except KeyboardInterrupt:
        print("interrupted: the same command continues where the runs stopped", file=sys.stderr)
        return 130
    counts = Counter(outcome.state for outcome in outcomes.values())
    console.print(f"{counts['finished']} of {len(outcomes)} finished in {plan.work_dir}", highlight=False)
    for name, outcome in outcomes.items():
        if outcome.state != "finished":
            print(
                f"{name} {outcome.state}: {outcome.reason} (log: {plan.work_dir / name / 'log.txt'})",
                file=sys.stderr,
            )
    if counts["failed"]:
        print("--retry-failed takes them up again", file=sys.stderr)
    return 0 if counts["finished"] == len(outcomes) else 1


def interrupt(number: int, frame: FrameType | None) -> None:
    """Treat the end that a scheduler announces like Ctrl-C."""
    raise KeyboardInterrupt


def run(plan: Plan, slots: list[Slot], arguments: argparse.Namespace, console) -> dict[str, Outcome]:
    """Run the trainings side by side, then the timing alone."""
    from lednet_mm.studies.progress import Board

    jobs = [*plan.runs, *([plan.latency] if plan.latency else [])]
    with Board(plan.study.title, jobs, len(slots), console) as board:
        common = {"notify": board.notify, "retry_failed": arguments.retry_failed, "tick": board.tick}
        if arguments.engine == "ray":
            from lednet_mm.studies.ray_engine import execute_on_ray

            outcomes = execute_on_ray(plan.runs, jobs_at_once=arguments.jobs, **common)
        else:
            outcomes = execute(plan.runs, slots, **common)
        if plan.latency:
            outcomes |= execute([plan.latency], make_slots(1), **common)
    return outcomes


def show_plan(plan: Plan, slots: list[Slot], console) -> None:
    """Print what would run."""
    from rich.table import Table

    table = Table(title=plan.study.title)
    for column in ("run", "config", "iterations", "state", ""):
        table.add_column(column, justify="right" if column == "iterations" else "left")
    for job in plan.runs:
        status = job.status()
        table.add_row(job.name, str(job.source), str(job.max_iters), status.state, status.reason)
    if plan.latency:
        status = plan.latency.status()
        table.add_row(
            plan.latency.name, f"{len(plan.latency.runs)} networks", "", status.state, status.reason
        )
    console.print(table)
    console.print(
        f"in {plan.work_dir}, on {len(slots)} slots: {', '.join(s.name for s in slots)}", highlight=False
    )


if __name__ == "__main__":
    run_command(main)
