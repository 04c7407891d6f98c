"""Measure networks one after another, each in a process of its own, which may crash or hang."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from lednet_mm.catalog import network_files
from lednet_mm.records import read_records
from lednet_mm.reports.content import Content
from lednet_mm.reports.reading import read_evidence
from lednet_mm.reports.sections.each_network import EachNetwork

ENDED = "ended"


def say(**known: Any) -> None:
    """Print what a process knows so far as a line of JSON; ``step`` is what it does next, or ``ENDED``."""
    print("\n" + json.dumps(known), flush=True)


def measure_alone(module: str, words: Sequence[str], seconds: float) -> tuple[dict[str, Any], str, str]:
    """Measure one network in a process.

    Args:
        module: name of the benchmark's module, which is run with ``words`` and says what it knows.
        words: arguments, of which the first is the network.
        seconds: seconds after which the process is ended.

    Returns:
        What it said, the step at which it ended, and why.
    """
    command = [sys.executable, "-m", module, *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
        printed, status = done.stdout, done.returncode
        why = f"ended with status {status}" if status >= 0 else f"crashed by signal {-status}"
    except subprocess.TimeoutExpired as error:
        printed = error.stdout.decode() if isinstance(error.stdout, bytes) else error.stdout or ""
        why = f"took more than {seconds:g} s"
    known: dict[str, Any] = {}
    for line in printed.splitlines():
        if line.startswith("{"):
            known |= json.loads(line)
    return known, known.pop("step", "starting"), why


def measure_each(
    arguments: Sequence[str] | None,
    benchmark: ModuleType,
    section: type[EachNetwork],
    *,
    dataset: str,
    shape: tuple[int, int],
    seconds: float,
    folder: str,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Measure the networks that have no record yet, and print the table of all records.

    Args:
        arguments: arguments of the command line; None takes those of the process.
        benchmark: module with the functions ``measure(network, dataset, shape)``, which says what it knows;
            ``explain(known, step, why)``, which adds the reason why a process ended early; and
            ``keep(network, dataset, shape, known, folder)``, which writes the record.
        section: section of a report with the table of the records.
        dataset: dataset, unless the command line names one.
        shape: height and width, likewise.
        seconds: limit for each network, likewise.
        folder: folder of the records, likewise.
        check: function that raises an InputError if something is missing.
    """
    parser = argparse.ArgumentParser(
        description=benchmark.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help="networks (default: all)")
    parser.add_argument("--dataset", default=dataset, help="dataset, for the number of classes")
    parser.add_argument("--shape", nargs=2, type=int, default=shape, metavar=("H", "W"))
    parser.add_argument(
        "--timeout", type=float, default=seconds, help=f"seconds for each network (default {seconds:g})"
    )
    parser.add_argument("--work-dir", default=folder, help="folder for records")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        benchmark.measure(options.networks[0], options.dataset, tuple(options.shape))
        return
    check()
    module = f"{__package__}.{Path(str(benchmark.__file__)).stem}"  # its name is __main__ as a command
    done = {record.run.network for record in read_records([options.work_dir])[0]}
    for network in options.networks or sorted(network_files()):
        if network not in done:
            words = [network, "--one", "--dataset", options.dataset, "--shape", *map(str, options.shape)]
            known = benchmark.explain(*measure_alone(module, words, options.timeout))
            benchmark.keep(network, options.dataset, options.shape, known, options.work_dir)
            print(f"{network}: {json.dumps(known)}", file=sys.stderr, flush=True)
    shown = section(Content(read_evidence([Path(options.work_dir)])))
    if shown.table is not None:
        print(shown.markdown(shown.table))
