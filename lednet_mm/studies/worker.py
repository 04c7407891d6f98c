"""The process of one job of a study: ``python -m lednet_mm.studies.worker train FOLDER ...``.

The process that started it keeps its standard input open: when that ends, however it ends, so does this one.
Its last line on a failure is ``failed: <reason>``.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path

import lednet_mm  # noqa: F401  (first: threads are set before PyTorch starts)
from lednet_mm.checkpoints.files import checkpoints_of
from lednet_mm.config import config_text, load_config
from lednet_mm.cost.complexity import build_network, complexity_record, count_complexity
from lednet_mm.cost.measuring import latency_records
from lednet_mm.environment import choose_threads, resolve_device
from lednet_mm.errors import InputError, describe_error
from lednet_mm.records import read_records, write_record
from lednet_mm.studies.jobs import CONFIG, FAILED, Shape, missing_steps, sha256
from lednet_mm.training.testing import evaluate_checkpoint
from lednet_mm.training.training import train


def train_and_measure(folder: Path, split: str, shape: Shape | None) -> None:
    """Do what a run still has to do: complexity, training, accuracy."""
    path = folder / CONFIG
    config = load_config(path)
    records, _ = read_records([folder])
    steps = missing_steps(records, sha256(config_text(config)), split, shape)
    if "complexity" in steps and shape is not None:
        write_record(complexity_record(config, count_complexity(config, shape)), folder)
    if "train" in steps:
        train(path, work_dir=folder, resume=bool(checkpoints_of(folder)))
    if "test" in steps:
        evaluate_checkpoint(config, checkpoints_of(folder)[0], split=split, work_dir=folder)


def time_networks(folder: Path, runs: Sequence[Path], shape: Shape, samples: int, seconds: float) -> None:
    """Time the networks of several runs, interleaved.

    Raises:
        InputError: some cannot be built; the others have been timed.
    """
    configs, faults = {}, []
    for run in runs:
        config = load_config(run / CONFIG)
        try:
            build_network(config)
        except InputError as error:
            faults.append(str(error))
        else:
            configs[run.name] = config
    threads = choose_threads()
    device = resolve_device("auto")
    timed = latency_records(
        configs, shape=shape, device=device, threads=threads, samples=samples, seconds=seconds
    )
    for record in timed.records.values():
        write_record(record, folder)
    if faults:
        raise InputError("; ".join(faults))


def end_with_parent() -> None:
    """End this process when its standard input does."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main() -> int:
    """Do the job; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("train")
    training.add_argument("folder", type=Path)
    training.add_argument("--test", choices=["val", "test"], required=True)
    training.add_argument("--complexity", nargs=2, type=int, metavar=("H", "W"))
    timing = commands.add_parser("time")
    timing.add_argument("folder", type=Path)
    timing.add_argument("--shape", nargs=2, type=int, required=True, metavar=("H", "W"))
    timing.add_argument("--samples", type=int, required=True)
    timing.add_argument("--seconds", type=float, required=True)
    timing.add_argument("runs", nargs="+", type=Path)
    arguments = parser.parse_args()
    end_with_parent()
    try:
        if arguments.command == "train":
            shape = tuple(arguments.complexity) if arguments.complexity else None
            train_and_measure(arguments.folder, arguments.test, shape)
        else:
            shape = tuple(arguments.shape)
            time_networks(arguments.folder, arguments.runs, shape, arguments.samples, arguments.seconds)
    except InputError as error:
        reason = str(error)
    except Exception as error:
        traceback.print_exc()
        memory = isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__
        reason = f"{'out of memory: ' if memory else ''}{describe_error(error)}"
    else:
        return 0
    print(f"{FAILED}{reason}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
