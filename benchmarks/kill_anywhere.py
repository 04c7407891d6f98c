"""Check that a command which is killed at any moment and started again ends as if it had never been killed.

python benchmarks/kill_anywhere.py [--moments 10] [--seed 0] [--commands training sweep report]

A training, a sweep of two runs and a report of that sweep run once without interruption. Then each of them
is killed at random moments (with SIGKILL, which has the effect of a power cut) and started again, every time
in folders of its own. Weights are compared bit for bit, accuracies value by value, and reports byte for byte.
The script prints one line for each moment, and its exit status is 1 if anything differs. Ten moments take
about 15 minutes on one core, nearly all of it for imports. ``--seed`` determines the moments, but what a
process is doing at such a moment depends on the speed of the machine, and that variety is wanted.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import lednet_mm.register  # noqa: F401  (first: threads are set before PyTorch starts)
from lednet_mm.checkpoints.files import model_state, read_checkpoint
from lednet_mm.checkpoints.listing import checkpoints_of
from lednet_mm.datasets.streets import generate_streets
from lednet_mm.errors import run_command
from lednet_mm.files import find_files
from lednet_mm.records import read_records

ROOT = Path(__file__).resolve().parents[1]
SIZE = (64, 128)
ITERATIONS = 12
CONFIG = """_base_ = {base!r}
train_cfg = dict(max_iters={iterations}, val_interval=6)
train_dataloader = dict(batch_size=2, dataset=dict(data_root={data!r}))
val_dataloader = dict(dataset=dict(data_root={data!r}))
test_dataloader = dict(dataset=dict(data_root={data!r}))
model = dict(data_preprocessor=dict(size={size!r}))
default_hooks = dict(checkpoint=dict(interval=2, max_keep_ckpts=3), logger=dict(interval=1))
"""
STUDY = """title = "Kill anywhere: generated streets at 64x128, 12 iterations"
runs = [dict(configs=[{config!r}], seeds=[0, 1])]
measure = dict(accuracy="val")
"""


class Trial(ABC):
    """A command that is killed and started again.

    Args:
        place: folder of the config, of the study, and of one folder of results for each time that the command
            is tried.
    """

    name: str
    begins_after = 0.0
    """The first share of its duration, in which the command only imports modules and is not killed."""

    def __init__(self, place: Path) -> None:
        self.place = place

    @abstractmethod
    def command(self, folder: Path, again: bool) -> list[str]:
        """Return the words of the command.

        Args:
            folder: folder for the results.
            again: whether the command was killed before and is started again.
        """

    @abstractmethod
    def seen(self, folder: Path) -> str:
        """Describe what is in the folder when the command is killed."""

    @abstractmethod
    def result(self, folder: Path) -> dict[str, object]:
        """Return the results that must be the same in the end, each under a name of its own."""


def newest(folder: Path) -> str:
    """Return the name of a run's newest checkpoint, or say that there is none."""
    saved = checkpoints_of(folder)
    return saved[0].name if saved else "no checkpoint"


def weights(folder: Path) -> dict[str, object]:
    """Return the bytes of every tensor in a run's last checkpoint, by the name of the tensor."""
    state = model_state(read_checkpoint(folder / f"iter_{ITERATIONS}.pth"))
    return {name: tensor.numpy().tobytes() for name, tensor in state.items()}


def accuracies(folder: Path) -> dict[str, object]:
    """Return the values of each run's accuracy records; two records of one split must agree."""
    found: dict[str, object] = {}
    for record in read_records([folder])[0]:
        if record.kind == "accuracy":
            key = f"accuracy of seed {record.run.seed} on {record.details['split']}"
            values = (dict(record.values), record.details["per_image_confusion"])
            found[key] = values if found.setdefault(key, values) == values else "two records that differ"
        elif record.kind == "failure":
            found[f"failure {record.id}"] = record.values["reason"]
    return found


class Training(Trial):
    """A training by ``tools/train.py``, which is continued with ``--resume``."""

    name = "training"
    begins_after = 0.4

    def command(self, folder: Path, again: bool) -> list[str]:
        """Return the command line of the training."""
        words = ["tools/train.py", str(self.place / "tiny.py"), "--work-dir", str(folder)]
        return [*words, "--resume"] if again else words

    def seen(self, folder: Path) -> str:
        """Name the newest checkpoint."""
        return newest(folder)

    def result(self, folder: Path) -> dict[str, object]:
        """Return weights and accuracies."""
        return {**weights(folder), **accuracies(folder)}


class Sweep(Trial):
    """A sweep by ``tools/sweep.py``, which is started again by the same command."""

    name = "sweep"
    begins_after = 0.2

    def command(self, folder: Path, again: bool) -> list[str]:
        """Return the command line of the sweep."""
        return ["tools/sweep.py", str(self.place / "study.py"), "--work-dir", str(folder), "--jobs", "1"]

    def seen(self, folder: Path) -> str:
        """Name each run's newest checkpoint."""
        runs = sorted(path.parent for path in folder.glob("*/plan"))
        return ", ".join(f"seed {run.name[-1]}: {newest(run)}" for run in runs) or "no run begun"

    def result(self, folder: Path) -> dict[str, object]:
        """Return weights and accuracies of every run."""
        found = accuracies(folder)
        for run in sorted(path.parent for path in folder.glob("*/plan")):
            found |= {f"{run.name}: {name}": value for name, value in weights(run).items()}
        return found


class Report(Trial):
    """A report of the finished sweep by ``tools/report.py``, started again by the same command."""

    name = "report"
    begins_after = 0.3

    def command(self, folder: Path, again: bool) -> list[str]:
        """Return the command line of the report."""
        return ["tools/report.py", str(self.place / "sweep-whole"), "--out", str(folder)]

    def seen(self, folder: Path) -> str:
        """Count the files."""
        return f"{len(find_files(folder)) if folder.is_dir() else 0} files"

    def result(self, folder: Path) -> dict[str, object]:
        """Return the content of every file."""
        return {str(path.relative_to(folder)): path.read_bytes() for path in find_files(folder)}


def run(words: Sequence[str], log: Path, kill_after: float | None = None) -> tuple[float, int]:
    """Run a tool, and kill it if it takes longer than some time.

    Args:
        words: path of the tool, and its arguments.
        log: file to which its output is appended.
        kill_after: seconds after which the tool is killed; None lets it run until it ends.

    Returns:
        The number of seconds that it ran, and its exit status, which is -9 if it was killed.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    start = time.monotonic()
    with log.open("a") as output:
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            process.wait(kill_after)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
    return time.monotonic() - start, process.returncode


def differing(one: dict[str, object], other: dict[str, object]) -> list[str]:
    """Return the names under which two results differ, or which only one of them has."""
    return [name for name in sorted(one.keys() | other.keys()) if one.get(name) != other.get(name)]


def try_moments(trial: Trial, moments: Sequence[float]) -> int:
    """Run a command once without interruption, and then once for each moment at which it is killed.

    Args:
        trial: the command.
        moments: moments at which to kill it, each as a share of the time after its imports.

    Returns:
        The number of moments after which the results differ.
    """
    whole = trial.place / f"{trial.name}-whole"
    log = trial.place / f"{trial.name}.txt"
    seconds, status = run(trial.command(whole, again=False), log)
    if status:
        print(f"{trial.name}: failed without being killed (exit status {status}), see {log}", file=sys.stderr)
        return len(moments)
    expected = trial.result(whole)
    print(
        f"{trial.name}: {seconds:.1f} s without interruption, {len(expected)} things to compare", flush=True
    )
    wrong = 0
    for number, moment in enumerate(moments, 1):
        folder = trial.place / f"{trial.name}-{number}"
        after = seconds * (trial.begins_after + (1 - trial.begins_after) * moment)
        _, status = run(trial.command(folder, again=False), log, after)
        seen = trial.seen(folder) if status else "it had ended by itself"
        ended = status == 0 or run(trial.command(folder, again=True), log)[1] == 0
        faults = differing(trial.result(folder), expected) if ended else [f"no end, see {log}"]
        wrong += bool(faults)
        verdict = f"DIFFERENT: {', '.join(faults[:3])} ({len(faults)} in all)" if faults else "identical"
        print(f"{trial.name:8} {number:3} {after:7.2f} s   {seen:48} {verdict}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill and compare the commands; return 1 if anything differs, and 0 otherwise."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--moments", type=int, default=10, help="times that each is killed (default 10)")
    parser.add_argument("--seed", type=int, default=0, help="random seed of the moments (default 0)")
    trials = {trial.name: trial for trial in (Training, Sweep, Report)}
    parser.add_argument("--commands", nargs="+", choices=list(trials), default=list(trials))
    chosen = parser.parse_args(arguments)
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="kill-anywhere-") as folder:
        place = Path(folder)
        generate_streets(place / "streets", train=6, val=2, size=SIZE, seed=1)
        base, data = str(ROOT / "configs" / "lednet_streets.py"), str(place / "streets")
        config = CONFIG.format(base=base, data=data, size=SIZE, iterations=ITERATIONS)
        (place / "tiny.py").write_text(config)
        (place / "study.py").write_text(STUDY.format(config=str(place / "tiny.py")))
        if "sweep" not in chosen.commands and "report" in chosen.commands:
            run(Sweep(place).command(place / "sweep-whole", again=False), place / "sweep.txt")
        print(f"seed {chosen.seed}: {chosen.moments} moments of each command")
        for name, trial in trials.items():
            draw = random.Random(f"{chosen.seed} {name}")
            moments = sorted(draw.random() for _ in range(chosen.moments))
            if name in chosen.commands:
                wrong += try_moments(trial(place), moments)
    total = chosen.moments * len(chosen.commands)
    print(f"{total - wrong} of {total} ended as if they had not been killed")
    return 1 if wrong else 0


if __name__ == "__main__":
    run_command(main)
