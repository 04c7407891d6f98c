"""What a training step of LEDNet costs, and what each option of the recipe changes about it.

python benchmarks/training_step.py [--shape 360 480] [--batch-size 4] [--compile]

The plain step is LEDNet as released: eager, contiguous, PyTorch's default AdamW. Every other row changes one
thing, the last ones several. The rows are timed interleaved, so their ratios hold on a noisy machine.
``--compile`` adds torch.compile, which takes minutes to begin. On a CPU, processes that keep freed memory and
processes that return it take turns with the plain step.

The limit is what the arithmetic alone would take: three passes of the network's multiply-adds at the speed of
a large matrix product on this device, measured beside the rows.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lednet_mm  # noqa: F401  (first: threads are set before PyTorch starts)

# isort: split
import numpy as np
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from rich.console import Console
from rich.table import Table

from lednet_mm.config import load_config
from lednet_mm.cost.complexity import build_network, count_complexity
from lednet_mm.cost.latency import measure, summarise
from lednet_mm.environment import choose_threads, keep_freed_memory, resolve_device

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "lednet_camvid.py"


def training_step(
    images: torch.Tensor, labels: torch.Tensor, *, channels_last: bool, fused: bool, compiled: bool
) -> Callable[[], object]:
    """Return one step: loss, gradients, AdamW.

    Args:
        images: (N, 3, H, W), normalised.
        labels: (N, 1, H, W), class ids.
        channels_last: memory layout of weights and maps.
        fused: AdamW in one kernel.
        compiled: loss and gradients by torch.compile.
    """
    config = load_config(CONFIG)
    config.model.data_preprocessor = None
    torch.manual_seed(0)
    model: Any = build_network(config).to(images.device).train()
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-4, fused=fused or None)
    shape = {"img_shape": tuple(images.shape[2:])}
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label), metainfo=shape) for label in labels]
    loss = torch.compile(model.loss) if compiled else model.loss

    def step() -> None:
        optimizer.zero_grad()
        losses = loss(images, samples)
        sum(value for name, value in losses.items() if "loss" in name).backward()
        optimizer.step()
        if images.device.type == "cuda":
            torch.cuda.synchronize(images.device)

    return step


def memory_ratio(chosen: argparse.Namespace) -> float:
    """Return how many times faster the plain step is with freed memory kept, from processes taking turns."""
    seconds: dict[str, list[float]] = {"keep": [], "return": []}
    for _ in range(3):
        for choice, times in seconds.items():
            command = [sys.executable, __file__, "--memory", choice, "--device", "cpu"]
            command += ["--shape", *map(str, chosen.shape), "--batch-size", str(chosen.batch_size)]
            command += ["--seconds", str(chosen.seconds / 3)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            times.append(float(done.stdout.split()[-1]))
    return float(np.median(seconds["return"]) / np.median(seconds["keep"]))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", nargs=2, type=int, default=[360, 480], metavar=("H", "W"))
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20.0, help="at most, for each row (default 20)")
    parser.add_argument("--compile", action="store_true", help="also torch.compile (minutes)")
    parser.add_argument("--memory", choices=["keep", "return"], help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)

    threads = choose_threads()
    device = resolve_device(chosen.device)
    height, width = chosen.shape
    images = torch.randn(chosen.batch_size, 3, height, width, device=device)
    labels = torch.randint(0, 11, (chosen.batch_size, 1, height, width), device=device)
    if chosen.memory:
        keep_freed_memory(chosen.memory == "keep")
        step = training_step(images, labels, channels_last=False, fused=False, compiled=False)
        print(np.median(measure({"": step}, min_samples=5, max_seconds=chosen.seconds).seconds[""]))
        return
    rows: dict[str, dict[str, bool]] = {
        "plain": {},
        "fused AdamW": {"fused": True},
        "channels_last": {"channels_last": True},
        "fused AdamW, channels_last": {"fused": True, "channels_last": True},
    }
    if chosen.compile:
        rows["fused AdamW, torch.compile"] = {"fused": True, "compiled": True}
    off = {"fused": False, "channels_last": False, "compiled": False}
    steps = {name: training_step(images, labels, **{**off, **row}) for name, row in rows.items()}

    calls: dict[str, Callable[[], object]] = dict(steps)
    square = torch.randn(2048, 2048, device=device)

    def product() -> None:
        square @ square
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    calls["(matrix product)"] = product
    timing = measure(calls, min_samples=chosen.samples, max_seconds=chosen.seconds)
    results = {name: summarise(seconds) for name, seconds in timing.seconds.items()}

    peak = 2 * 2048**3 / float(results.pop("(matrix product)")["latency_ms_p50"]) * 1e3
    macs = count_complexity(load_config(CONFIG), (height, width)).macs
    limit = 3 * 2 * macs * chosen.batch_size / peak
    plain = float(results["plain"]["latency_ms_p50"])
    where = f"{device} with {threads.count} threads" if device.type == "cpu" else str(device)
    table = Table(title=f"LEDNet, {chosen.batch_size}x3x{height}x{width}, {where}: one training step")
    for column in ("step", "p50 (ms)", "times plain", "of the limit", ""):
        table.add_column(column, justify="left" if column in ("step", "") else "right")
    for name, values in results.items():
        p50 = float(values["latency_ms_p50"])
        doubt = "unstable" if values["unstable"] else ""
        table.add_row(name, f"{p50:.1f}", f"{plain / p50:.2f}", f"{1e3 * limit / p50:.0%}", doubt)
    console = Console(width=110)
    console.print(table)
    console.print(
        f"limit: {1e3 * limit:.1f} ms for 3 x {2 * macs * chosen.batch_size / 1e9:.1f} GFLOP "
        f"at {peak / 1e9:.0f} GFLOP/s"
    )
    if device.type == "cpu" and keep_freed_memory(False):
        console.print(f"freed memory kept: the plain step is {memory_ratio(chosen):.2f} times as fast")


if __name__ == "__main__":
    main()
