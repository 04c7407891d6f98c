"""Measure how fast LEDNet runs as it was trained and in its deployment form, on every installed engine.

python benchmarks/lednet_engines.py [--shape 512 1024] [--precision fp32] [--seconds 10]

All rows are timed interleaved in one run, and every row's output is checked first. Ratios compare a row with
LEDNet in eager mode and float32. The script writes latency records like those of tools/benchmark.py.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import lednet_mm.register  # noqa: F401  (first: threads are set before PyTorch starts)

# isort: split
from rich.progress import Progress

from lednet_mm.config import load_config
from lednet_mm.deployment.precisions import PRECISIONS
from lednet_mm.environment import choose_threads, resolve_device
from lednet_mm.errors import run_command
from lednet_mm.records import write_record
from lednet_mm.timing.backends import ENGINES, Backend
from lednet_mm.timing.networks import latency_records

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "lednet_cityscapes.py"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every row, print the table and write the records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", nargs=2, type=int, default=[512, 1024], metavar=("H", "W"))
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--precision", nargs="+", choices=list(PRECISIONS), default=["fp32"])
    parser.add_argument("--device", default="auto", help="cpu, cuda ... (default: a GPU if there is one)")
    parser.add_argument("--samples", type=int, default=100, help="samples of each row (default 100)")
    parser.add_argument("--seconds", type=float, default=10.0, help="seconds for each row (default 10)")
    parser.add_argument(
        "--work-dir", default="work_dirs/benchmarks/lednet_engines", help="folder for records"
    )
    options = parser.parse_args(arguments)
    threads, device = choose_threads(), resolve_device(options.device)
    plain = Backend()
    others = [Backend(*backend) for backend in product(ENGINES, options.precision, (False, True))]
    height, width = options.shape
    with Progress(transient=True) as progress:
        task = progress.add_task("preparing", total=1.0)
        timed = latency_records(
            {"lednet": load_config(CONFIG)},
            shape=(height, width),
            batch_size=options.batch_size,
            backends=[plain, *(backend for backend in others if backend != plain)],
            device=device,
            threads=threads,
            samples=options.samples,
            seconds=options.seconds,
            with_roofline=True,
            advance=lambda step, done: progress.update(task, description=step, completed=done),
        )
    where = f"{threads.count} threads" if device.type == "cpu" else str(device)
    print(f"LEDNet, {options.batch_size}x3x{height}x{width}, {where}, logits at input resolution")
    print(
        f"{'engine':16}{'precision':>10}{'form':>10}{'p50 (ms)':>11}{'ratio':>8}{'roofline':>10}{'error':>9}"
    )
    (first,) = (record.values for row, record in timed.records.items() if row.backend == plain)
    for row, record in timed.records.items():
        values, backend = record.values, row.backend
        form = "deployed" if backend.deployed else "trained"
        print(
            f"{backend.engine:16}{backend.precision:>10}{form:>10}{values['latency_ms_p50']:11.2f}"
            f"{first['latency_ms_p50'] / values['latency_ms_p50']:7.2f}x"
            f"{values['roofline_fraction']:10.0%}{record.details['error']:9.0e}"
            f"  {'; '.join(record.details['unstable_because'])}".rstrip()
        )
        write_record(record, options.work_dir)
    for row, reason in timed.left_out.items():
        print(f"left out: {row}: {reason}")


if __name__ == "__main__":
    run_command(main)
