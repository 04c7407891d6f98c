"""The process that does one job of a study: ``python -m lednet_mm.studies.worker train FOLDER ...``.

The process that started it keeps the standard input of this one open. If that process ends in any way, the
input is closed, and this process ends too. If the job fails, its last line is ``failed: <reason>``.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path

import lednet_mm.register  # noqa: F401  (first: threads are set before PyTorch starts)
from lednet_mm.catalog import PLANNED
from lednet_mm.config import config_text, load_config
from lednet_mm.counting.complexity import complexity_record, count_complexity
from lednet_mm.deployment.inference import build_network
from lednet_mm.environment import choose_threads, resolve_device
from lednet_mm.errors import InputError
from lednet_mm.evaluation.corruptions import Corruption, library
from lednet_mm.evaluation.measures import MEASURES
from lednet_mm.records import read_records, write_record
from lednet_mm.studies.jobs import (
    FAILED,
    Shape,
    Wanted,
    missing_steps,
    reason_of,
    sha256,
    training_of,
)
from lednet_mm.timing.networks import latency_records
from lednet_mm.training.stages import is_begun
from lednet_mm.training.testing import evaluate_checkpoint
from lednet_mm.training.training import train


def train_and_measure(folder: Path, wanted: Wanted) -> None:
    """Do the steps that a run still has to do.

    The process that started this one has locked the folder, and this one inherits the lock.

    Args:
        folder: folder of the run.
        wanted: what is measured of the run.

    Raises:
        InputError: the training or a test fails, or the library of corruptions is needed but not installed.
    """
    if wanted.corruptions:
        library()  # fails now rather than after hours of training
    path = folder / PLANNED
    config = load_config(path)
    digest = sha256(config_text(config))
    records, _ = read_records([folder])
    steps = missing_steps(records, digest, wanted)
    if "complexity" in steps and wanted.shape is not None:
        write_record(complexity_record(config, count_complexity(config, wanted.shape)), folder)
    if "train" in steps:
        train(path, work_dir=folder, resume=is_begun(folder), locked=True)
        # A test of other weights than these does not count any more.
        steps = missing_steps(read_records([folder])[0], digest, wanted)
    measures = [name for name in wanted.measures if name in steps]
    corruptions = [corruption for corruption in wanted.corruptions if str(corruption) in steps]
    if "test" in steps or measures or corruptions:
        evaluate_checkpoint(
            config,
            trained_checkpoint(folder, digest),
            split=wanted.split,
            work_dir=folder,
            measures=measures,
            corruptions=corruptions,
        )


def trained_checkpoint(folder: Path, digest: str) -> Path:
    """Return the file of the checkpoint that the record of a training names.

    Args:
        folder: folder of the run.
        digest: sha256 of the run's config.

    Raises:
        InputError: the training has no record, or its checkpoint no longer exists.
    """
    records, _ = read_records([folder])
    training = training_of(records, digest)
    name = training.details.get("checkpoint") if training else None
    path = folder / Path(str(name)).name
    if name is None or not path.is_file():
        raise InputError(f"{folder}: the checkpoint that was trained there is gone ({name}): train it again")
    return path


def time_networks(folder: Path, configs: Sequence[Path], shape: Shape, samples: int, seconds: float) -> None:
    """Time the networks of several runs, interleaved.

    Args:
        folder: folder for the records.
        configs: config file of each network, whose stem is the name of its run.
        shape: (height, width) of the image.
        samples: number of samples of each network.
        seconds: seconds after which a network needs no further samples.

    Raises:
        InputError: some networks cannot be built or timed; the records of the others have been written.
    """
    built, faults = {}, []
    for path in configs:
        try:
            config = load_config(path)
            build_network(config)
        except InputError as error:
            faults.append(str(error))
        else:
            built[path.stem] = config
    if built:
        threads = choose_threads()
        device = resolve_device("auto")
        timed = latency_records(
            built, shape=shape, device=device, threads=threads, samples=samples, seconds=seconds
        )
        for record in timed.records.values():
            write_record(record, folder)
        faults += [f"{row.config}: {reason}" for row, reason in timed.left_out.items()]
    if faults:
        raise InputError("; ".join(faults))


def read_corruption(text: str) -> Corruption:
    """Return the corruption that an argument of the command line names, such as ``fog:3``."""
    name, _, severity = text.rpartition(":")
    return Corruption(name, int(severity))


def end_with_parent() -> None:
    """End this process when its standard input is closed."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main() -> int:
    """Do the job that the command line describes, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("train")
    training.add_argument("folder", type=Path)
    training.add_argument("--test", choices=["val", "test"], required=True)
    training.add_argument("--complexity", nargs=2, type=int, metavar=("H", "W"))
    training.add_argument("--measures", nargs="+", choices=list(MEASURES), default=[])
    training.add_argument("--corruptions", nargs="+", type=read_corruption, default=[], metavar="NAME:N")
    timing = commands.add_parser("time")
    timing.add_argument("folder", type=Path)
    timing.add_argument("--shape", nargs=2, type=int, required=True, metavar=("H", "W"))
    timing.add_argument("--samples", type=int, required=True)
    timing.add_argument("--seconds", type=float, required=True)
    timing.add_argument("configs", nargs="+", type=Path)
    arguments = parser.parse_args()
    end_with_parent()
    try:
        if arguments.command == "train":
            shape = tuple(arguments.complexity) if arguments.complexity else None
            tests = (arguments.test, shape, tuple(arguments.measures), tuple(arguments.corruptions))
            train_and_measure(arguments.folder, Wanted(*tests))
        else:
            shape = tuple(arguments.shape)
            time_networks(arguments.folder, arguments.configs, shape, arguments.samples, arguments.seconds)
    except InputError as error:
        reason = reason_of(error)
    except SystemExit as error:  # with status 0 it would look as if the job had been done
        reason = f"the config, or something that it imports, ended the process (sys.exit({error.code!r}))"
    except Exception as error:
        traceback.print_exc()
        reason = reason_of(error)
    else:
        return 0
    print(f"{FAILED}{reason}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
