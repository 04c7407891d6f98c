"""Run a study, or continue it: everything that has no finished record yet."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whether or not the package is installed

from lednet_mm.errors import run_command
from lednet_mm.files import require_writable, write_atomically
from lednet_mm.terminal import make_console
from lednet_mm.text import one_line

if TYPE_CHECKING:
    from rich.console import Console

    from lednet_mm.studies.execute import Slot
    from lednet_mm.studies.jobs import Job
    from lednet_mm.studies.plan import Plan
    from lednet_mm.studies.progress import Board


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

    from lednet_mm.literals import read_literals
    from lednet_mm.studies.execute import make_slots
    from lednet_mm.studies.jobs import look
    from lednet_mm.studies.plan import STUDY, check_work_dir, make_plan
    from lednet_mm.training.on_demand import make_missing_streets

    console = make_console()
    plan = make_plan(arguments.study, arguments.work_dir)
    check_work_dir(plan)
    jobs: list[Job] = [*plan.runs, *([plan.latency] if plan.latency else [])]
    if arguments.dry_run:
        show_plan(plan, jobs, make_slots(arguments.jobs), console)
        return 0
    require_writable(plan.work_dir)
    write_atomically(plan.work_dir / STUDY, json.dumps(plan.describe(), indent=1).encode())
    signal.signal(signal.SIGTERM, interrupt)
    unfinished = (run for run in plan.runs if look(run).state != "finished")
    make_missing_streets((read_literals(run.text) for run in unfinished), console.print)

    from lednet_mm.studies.progress import Board

    command = shlex.join(["python", os.path.relpath(sys.argv[0]), *sys.argv[1:]])
    board = Board(plan.study.title, jobs, console)
    try:
        with board:
            run(plan, board, arguments, command)
    except KeyboardInterrupt:
        tell_end(plan, board, command)
        print("interrupted: the same command continues where the runs stopped", file=sys.stderr)
        return 130
    return 0 if tell_end(plan, board, command) else 1


def interrupt(number: int, frame: FrameType | None) -> None:
    """Treat the end that a scheduler announces like Ctrl-C."""
    raise KeyboardInterrupt


def run(plan: Plan, board: Board, arguments: argparse.Namespace, command: str) -> None:
    """Run the trainings side by side, then the timing alone.

    Args:
        plan: what there is to do.
        board: is told of every change.
        arguments: of the command line.
        command: the command line itself, for the records of the runs.
    """
    from lednet_mm.studies.execute import execute, make_slots

    environment = {"LEDNET_COMMAND": command}
    common = {"notify": board.notify, "retry_failed": arguments.retry_failed, "tick": board.tick}
    if arguments.engine == "ray":
        from lednet_mm.studies.ray_engine import execute_on_ray

        execute_on_ray(plan.runs, jobs_at_once=arguments.jobs, environment=environment, **common)
    else:
        execute(plan.runs, make_slots(arguments.jobs, environment), **common)
    if plan.latency:
        execute([plan.latency], make_slots(1, environment), **common)


def tell_end(plan: Plan, board: Board, command: str) -> bool:
    """Say how every run ended; return whether all are finished."""
    counts = Counter(row.state for row in board.rows.values())
    whole = counts["finished"] == len(board.rows)
    waiting = f", {counts['waiting']} not begun" if counts["waiting"] else ""
    board.console.print(
        f"{counts['finished']} of {len(board.rows)} finished{waiting} in {one_line(plan.work_dir)}"
    )
    for name, row in board.rows.items():
        if row.state not in ("finished", "waiting"):
            log = one_line(plan.work_dir / name / "log.txt")
            print(f"{name} {row.state}: {one_line(row.reason)} (log: {log})", file=sys.stderr)
        for problem in row.problems:
            print(f"{name}: left out: {one_line(problem)}", file=sys.stderr)
    if counts["failed"]:
        again = command if "--retry-failed" in sys.argv else f"{command} --retry-failed"
        print(
            f"to take failed runs up again, from their last checkpoints: {one_line(again)}", file=sys.stderr
        )
    return whole


def show_plan(plan: Plan, jobs: list[Job], slots: list[Slot], console: Console) -> None:
    """Print what would run."""
    from rich.table import Table
    from rich.text import Text

    from lednet_mm.studies.jobs import look

    table = Table(title=Text(one_line(plan.study.title)))
    for column in ("run", "config", "iterations", "state", ""):
        table.add_column(column, justify="right" if column == "iterations" else "left")
    for job in jobs:
        status = look(job)
        source = f"{len(job.runs)} networks" if job is plan.latency else str(job.source)
        iterations = str(job.max_iters) if job.max_iters else ""
        cells = (job.name, source, iterations, status.state, status.reason)
        table.add_row(*(Text(one_line(cell)) for cell in cells))
    console.print(table)
    console.print(f"in {one_line(plan.work_dir)}, on {len(slots)} slots: {', '.join(s.name for s in slots)}")


if __name__ == "__main__":
    run_command(main)
