"""Run a study or continue it, by doing everything that has no record yet."""

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

from lednet_mm.errors import InputError, run_command
from lednet_mm.files import require_writable, write_atomically
from lednet_mm.terminal import make_console
from lednet_mm.text import one_line

if TYPE_CHECKING:
    from rich.console import Console

    from lednet_mm.studies.plan import Plan
    from lednet_mm.studies.process import Slot
    from lednet_mm.studies.progress import Board
    from lednet_mm.studies.scheduler import Engine
    from lednet_mm.studies.slurm_engine import SlurmOptions


def main() -> int:
    """Plan and run the study; return 0 if every run is finished, and 1 if some are not."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="examples:\n"
        "  python tools/sweep.py configs/studies/smoke.py --dry-run\n"
        "  python tools/sweep.py configs/studies/smoke.py\n"
        "  python tools/sweep.py configs/studies/smoke.py --retry-failed --jobs 2\n"
        "  python tools/sweep.py configs/studies/smoke.py --power 1",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("study", help="study file, see configs/studies/")
    parser.add_argument("--work-dir", help="folder for the runs (default work_dirs/<name of the study>)")
    parser.add_argument("--engine", choices=["local", "ray", "slurm"], default="local")
    parser.add_argument(
        "--jobs",
        type=int,
        help="number of runs side by side (default: one for each GPU, else one for each core; on a cluster "
        "what it takes)",
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--dry-run", action="store_true", help="print the plan and its cost, and stop")
    instead.add_argument(
        "--power",
        type=float,
        metavar="HALF_WIDTH",
        help="print how many seeds each difference needs for an interval of +- HALF_WIDTH points of mIoU, "
        "from the records so far, and stop",
    )
    parser.add_argument("--retry-failed", action="store_true", help="run those again that failed before")
    slurm = parser.add_argument_group("options of --engine slurm")
    slurm.add_argument("--slurm-partition", metavar="NAME", help="partition (default: the cluster's)")
    slurm.add_argument("--slurm-account", metavar="NAME", help="account (default: yours)")
    slurm.add_argument(
        "--slurm-gpus", metavar="N", type=int, help="GPUs of each run (default 1; 0 on a cluster without)"
    )
    slurm.add_argument("--slurm-cpus", metavar="N", type=int, help="cores of each run (default 4)")
    slurm.add_argument(
        "--slurm-minutes",
        metavar="M",
        type=int,
        help="time limit of a job (default 240); a run that needs longer is requeued and continued",
    )
    slurm.add_argument(
        "--slurm-option",
        metavar="KEY=VALUE",
        action="append",
        help="another option of sbatch by its long name, as qos=high or mem=16G; may be given several times",
    )
    arguments = parser.parse_args()
    if arguments.engine != "slurm":
        for name, value in vars(arguments).items():
            if name.startswith("slurm_") and value is not None:
                parser.error(f"--{name.replace('_', '-')} goes with --engine slurm")
    if arguments.jobs is not None and arguments.jobs < 1:
        parser.error("--jobs must be at least 1")

    if arguments.power is not None:
        show_power(arguments.study, arguments.work_dir, arguments.power)
        return 0

    from lednet_mm.literals import read_literals
    from lednet_mm.studies.jobs import look
    from lednet_mm.studies.local_engine import make_slots
    from lednet_mm.studies.plan import check_work_dir, make_plan
    from lednet_mm.training.on_demand import make_missing_streets

    console = make_console()
    plan = make_plan(arguments.study, arguments.work_dir)
    check_work_dir(plan)
    if arguments.dry_run:
        show_plan(plan, make_slots(arguments.jobs), console)
        return 0
    require_writable(plan.work_dir)
    write_study(plan)
    signal.signal(signal.SIGTERM, interrupt)
    unfinished = (run for run in plan.runs if look(run).state != "finished")
    make_missing_streets((read_literals(run.text) for run in unfinished), console.print)

    from lednet_mm.studies.progress import Board

    command = shlex.join(["python", os.path.relpath(sys.argv[0]), *sys.argv[1:]])
    board = Board(plan.study.title, plan.jobs, console)
    try:
        with board:
            run(plan, board, arguments, command)
    except KeyboardInterrupt:
        tell_end(plan, board, command)
        print("interrupted: the same command continues where the runs stopped", file=sys.stderr)
        return 130
    finally:
        write_study(plan)  # once more, with the hours that the runs took
    return 0 if tell_end(plan, board, command) else 1


def write_study(plan: Plan) -> None:
    """Write ``study.json`` into the study's work folder."""
    from lednet_mm.studies.plan import STUDY

    content = {**plan.describe(), "hours": plan.hours()}
    write_atomically(plan.work_dir / STUDY, json.dumps(content, indent=1).encode())


def interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, so that a cluster's announcement of the end has the effect of Ctrl-C."""
    raise KeyboardInterrupt


def run(plan: Plan, board: Board, arguments: argparse.Namespace, command: str) -> None:
    """Run the trials and the trainings side by side, then the timing alone.

    Args:
        plan: plan of the study.
        board: board that shows every change.
        arguments: parsed arguments of the command line.
        command: the command line itself, for the records of the runs.
    """
    from lednet_mm.studies.local_engine import LocalEngine, make_slots
    from lednet_mm.studies.scheduler import run_jobs
    from lednet_mm.studies.tuning import follow_searches

    environment = {"LEDNET_COMMAND": command}
    common = {"notify": board.notify, "retry_failed": arguments.retry_failed, "tick": board.tick}
    follow = follow_searches(plan.searches, decided=lambda search: write_study(plan))
    run_jobs(plan.first, make_engine(plan, arguments, environment), follow=follow, **common)
    if plan.latency:
        engine: Engine = LocalEngine(make_slots(1, environment))
        if arguments.engine == "slurm":  # because this machine may have no GPU
            engine = make_slurm_engine(plan, arguments, environment, exclusive=True)
        run_jobs([plan.latency], engine, **common)


def make_engine(plan: Plan, arguments: argparse.Namespace, environment: dict[str, str]) -> Engine:
    """Return the engine that the command line chooses."""
    if arguments.engine == "slurm":
        return make_slurm_engine(plan, arguments, environment)
    if arguments.engine == "ray":
        from lednet_mm.studies.ray_engine import RayEngine

        return RayEngine(arguments.jobs, environment)
    from lednet_mm.studies.local_engine import LocalEngine, make_slots

    return LocalEngine(make_slots(arguments.jobs, environment))


def make_slurm_engine(
    plan: Plan, arguments: argparse.Namespace, environment: dict[str, str], exclusive: bool = False
) -> Engine:
    """Return an engine that submits to Slurm; ``exclusive`` gives each job a machine to itself."""
    from lednet_mm.studies.slurm_engine import SlurmEngine, make_executor

    options = slurm_options(arguments)
    executor = make_executor(plan.work_dir / "slurm", options, arguments.jobs, exclusive)
    return SlurmEngine(executor, options.cpus, environment)


def slurm_options(arguments: argparse.Namespace) -> SlurmOptions:
    """Return the options for Slurm in the command line.

    Raises:
        InputError: a number is too small, or an option has no value.
    """
    from lednet_mm.studies.slurm_engine import SlurmOptions

    chosen = {
        name: getattr(arguments, f"slurm_{name}")
        for name in ("partition", "account", "gpus", "cpus", "minutes")
        if getattr(arguments, f"slurm_{name}") is not None
    }
    for name, least in (("gpus", 0), ("cpus", 1), ("minutes", 1)):
        if chosen.get(name, least) < least:
            raise InputError(f"--slurm-{name} must be at least {least}")
    further = [text.partition("=") for text in arguments.slurm_option or ()]
    for key, equals, _ in further:
        if not key or not equals:
            raise InputError(f"--slurm-option {key}: write it as KEY=VALUE, such as qos=high")
    return SlurmOptions(**chosen, further={key.lstrip("-"): value for key, _, value in further})


def tell_end(plan: Plan, board: Board, command: str) -> bool:
    """Print how every run ended, and return whether all are finished."""
    counts = Counter(row.state for row in board.rows.values())
    whole = counts["finished"] + counts["pruned"] == len(board.rows)
    waiting = f", {counts['waiting']} not begun" if counts["waiting"] else ""
    board.console.print(
        f"{counts['finished']} of {len(board.rows)} finished{waiting} in {one_line(plan.work_dir)}"
    )
    for name, row in board.rows.items():
        if row.state not in ("finished", "pruned", "waiting"):
            log = one_line(board.jobs[name].folder / "log.txt")
            where = "" if row.state == "blocked" else f" (log: {log})"
            print(f"{name} {row.state}: {one_line(row.reason)}{where}", file=sys.stderr)
        for problem in row.problems:
            print(f"{name}: left out: {one_line(problem)}", file=sys.stderr)
    if counts["failed"]:
        again = command if "--retry-failed" in sys.argv else f"{command} --retry-failed"
        print(
            f"to take failed runs up again, from their last checkpoints: {one_line(again)}", file=sys.stderr
        )
    return whole


def show_power(study: str, work_dir: str | None, half_width: float) -> None:
    """Print how many seeds the differences of a study need for intervals of a desired half-width.

    Raises:
        InputError: the study does not exist or has no records, or the half-width is out of range.
    """
    from lednet_mm.reports.power import plan_seeds
    from lednet_mm.reports.tables import to_markdown
    from lednet_mm.studies.plan import folder_of, read_study

    read_study(study)
    print(to_markdown(plan_seeds([folder_of(study, work_dir)], half_width)))


def show_plan(plan: Plan, slots: list[Slot], console: Console) -> None:
    """Print the runs that would start, and their cost."""
    from rich.table import Table
    from rich.text import Text

    from lednet_mm.studies.costs import cost_of
    from lednet_mm.studies.jobs import LatencyJob, look

    table = Table(title=Text(one_line(plan.study.title)))
    for column in ("run", "config", "iterations", "state", ""):
        table.add_column(column, justify="right" if column == "iterations" else "left")
    decided = {run.name for run in plan.decided}
    for job in (*plan.trials, *plan.runs, *([plan.latency] if plan.latency else [])):
        status = look(job)
        reason = status.reason
        if isinstance(job, LatencyJob):
            source = f"{len(job.runs)} networks"
        else:
            source = job.source
            if job.run.trial is None and job.name not in decided:
                reason = "after its tuning"
        iterations = str(job.max_iters) if job.max_iters else ""
        cells = (job.name, source, iterations, status.state, reason)
        table.add_row(*(Text(one_line(cell)) for cell in cells))
    console.print(table)
    everything = (*plan.trials, *plan.runs)
    for search in plan.searches:
        trials = [run for trial in search.trials for run in trial.runs]
        later = (search.tune.budget - len(search.trials)) * len(search.tune.seeds)
        then = f"; {later} more trials follow from these" if later else ""
        chosen = f"; chosen: {search.chosen.setting}" if search.chosen else ""
        line = f"tuning of {search.name}: {cost_of(trials, everything)}{then}{chosen}"
        console.print(Text(one_line(line)), soft_wrap=True)
    wanted = plan.untuned[0].wanted
    if wanted.measures or wanted.corruptions:
        passes = 1 + len(wanted.corruptions)
        what = (f"accuracy on {wanted.split}", *wanted.measures, *map(str, wanted.corruptions))
        times = f": {passes} passes over its images" if wanted.corruptions else ""
        console.print(Text(f"tests of each run: {', '.join(what)}{times}"), soft_wrap=True)
    if plan.searches and wanted.split == "val":
        console.print(
            "note: settings are chosen on val, which the study also reports: that flatters all networks",
            soft_wrap=True,
        )
    console.print(f"reported: {cost_of(plan.runs, everything)}")
    console.print(f"in {one_line(plan.work_dir)}, on {len(slots)} slots: {', '.join(s.name for s in slots)}")


if __name__ == "__main__":
    run_command(main)
