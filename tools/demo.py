"""The demo: train, test, measure and report three networks on generated streets, in minutes on any CPU.

If the demo is started again after an interruption, it continues where it stopped.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whether or not the package is installed

from lednet_mm.errors import InputError, run_command
from lednet_mm.files import require_writable

TOOLS = Path(__file__).resolve().parent
NETWORKS = ("lednet", "erfnet", "lednet:no_apn")
HEIGHT, WIDTH = 128, 256


def tool(name: str, *arguments: object) -> None:
    """Run another command of this folder in a process of its own.

    Raises:
        InputError: the command failed; it has printed the reason.
    """
    command = [sys.executable, str(TOOLS / f"{name}.py"), *map(str, arguments)]
    if status := subprocess.run(command).returncode:
        raise InputError(f"tools/{name}.py ended with status {status}; finished runs are kept")


def finished(run: Path, kind: str, iterations: int | None = None) -> bool:
    """Return whether a run already has a record of a kind.

    Raises:
        InputError: the run was trained for another number of iterations.
    """
    from lednet_mm.records import read_records

    records = [record for record in read_records([run])[0] if record.kind == kind]
    for record in records:
        done = record.values.get("iterations")
        if iterations is not None and done != iterations:
            raise InputError(
                f"{run} was trained for {done} iterations, not {iterations}: give another --work-dir"
            )
    return bool(records)


def main() -> None:
    """Run everything that is not finished yet, then write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example:\n  make demo",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--work-dir", default="work_dirs/demo", help="folder for runs and report")
    parser.add_argument(
        "--iterations", type=int, default=300, help="iterations of each network (default 300)"
    )
    arguments = parser.parse_args()
    work_dir, begin = Path(arguments.work_dir), time.monotonic()
    if arguments.iterations < 1:
        raise InputError(f"--iterations {arguments.iterations}: give at least 1")
    require_writable(work_dir)
    import lednet_mm.register  # noqa: F401  (first: threads are set before PyTorch starts)
    from lednet_mm.datasets.streets import generate_streets

    generate_streets("data/streets")
    on_streets = ("--dataset", "streets")
    runs = {name: work_dir / name.replace(":", "_") for name in NETWORKS}
    for number, (name, run) in enumerate(runs.items(), start=1):
        print(f"[{number}/{len(runs)}] {run.name}: {arguments.iterations} iterations", flush=True)
        if not finished(run, "train", arguments.iterations):
            tool(
                *("train", name, *on_streets, "--work-dir", run),
                *(["--resume"] if run.exists() else []),
                "--cfg-options",
                *("train_dataloader.batch_size=4", "train_dataloader.dataset.pipeline.5.crop_size=(96,192)"),
                *("model.data_preprocessor.size=(96,192)", "model.class_weight=None"),
                *(f"train_cfg.max_iters={arguments.iterations}", "train_cfg.val_interval=100000"),
                *("default_hooks.checkpoint.interval=50", "default_hooks.logger.interval=25"),
            )
        if not finished(run, "complexity"):
            tool("get_flops", name, *on_streets, "--shape", HEIGHT, WIDTH, "--work-dir", run)
    if not finished(work_dir / "latency", "latency"):
        print("timing all networks, interleaved", flush=True)
        tool("benchmark", *runs, *on_streets, "--shape", HEIGHT, WIDTH, "--work-dir", work_dir / "latency")
    title = (
        f"Demo: generated streets at {WIDTH}x{HEIGHT}, {arguments.iterations} iterations on a CPU, one seed: "
        "an example of a report and no finding"
    )
    tool("report", work_dir, "--out", work_dir / "report", "--title", title, "--pictures", 3)
    print(f"\n{(work_dir / 'report' / 'summary.md').read_text()}")
    page = work_dir / "report" / "index.html"
    print(f"done in {(time.monotonic() - begin) / 60:.1f} minutes; the report: {page}")


if __name__ == "__main__":
    run_command(main)
