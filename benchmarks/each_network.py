"""Measure networks one after another, each in a process of its own, which may crash or hang."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from lednet_mm.catalog import network_files
from lednet_mm.records import read_records

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


def measure_missing(networks: Iterable[str], folder: str, measure: Callable[[str], dict[str, Any]]) -> None:
    """Measure the networks that have no record in a folder.

    Args:
        networks: names of networks; if there are none, all.
        folder: folder of the records.
        measure: function that measures a network, writes its record, and returns what is known.
    """
    done = {record.run.network for record in read_records([folder])[0]}
    for network in networks or sorted(network_files()):
        if network not in done:
            print(f"{network}: {json.dumps(measure(network))}", file=sys.stderr, flush=True)
