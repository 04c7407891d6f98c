"""Measure the time of a training step of LEDNet, and how it changes with each option of the recipe.

python benchmarks/training_step.py [--shape 360 480] [--batch-size 4] [--compile]

The plain step runs LEDNet in eager mode with contiguous tensors, PyTorch's default AdamW, and the loss and
accuracy of MMSegmentation. Every other row changes one thing, and the last rows change several. The rows are
timed interleaved, so their ratios are valid on a noisy machine too. ``--compile`` adds a row with
torch.compile, which needs minutes to compile.

On a GPU, and on a CPU with instructions for it, there are also rows in bfloat16 (autocast). On a GPU,
torch.compile uses CUDA graphs. On a CPU, the plain step is also timed in processes that keep freed memory and
in processes that return it, in turns.

The printed limit is the time that the arithmetic alone would take: three passes of the network's
multiply-adds at the highest speed that a matrix product or convolution has reached on this device.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import MethodType
from typing import Any

import lednet_mm.register  # noqa: F401  (first: threads are set before PyTorch starts)

# isort: split
import numpy as np
import torch
from mmengine.structures import PixelData
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.structures import SegDataSample

from lednet_mm.config import load_config
from lednet_mm.counting.complexity import count_complexity
from lednet_mm.counting.roofline import measure_ceilings
from lednet_mm.deployment.inference import build_network
from lednet_mm.environment import choose_threads, keep_freed_memory, resolve_device
from lednet_mm.errors import run_command
from lednet_mm.records import write_record
from lednet_mm.timing.comparing import compare_ways
from lednet_mm.timing.latency import measure
from lednet_mm.training.mixed_precision import cpu_computes_bf16

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "lednet_camvid.py"


def training_step(
    images: torch.Tensor,
    labels: torch.Tensor,
    *,
    quick_loss: bool = False,
    channels_last: bool = False,
    fused: bool = False,
    bf16: bool = False,
    compiled: bool = False,
) -> Callable[[], object]:
    """Return a function that does one step: the loss, its gradients and the update by AdamW.

    Args:
        images: (N, 3, H, W) normalised images.
        labels: (N, 1, H, W) class ids.
        quick_loss: whether the head computes its loss and accuracy by this project's code instead of
            MMSegmentation's.
        channels_last: whether weights and feature maps have the channels-last memory layout.
        fused: whether AdamW updates all weights in one kernel.
        bf16: whether the forward pass runs in bfloat16 by autocast.
        compiled: whether torch.compile compiles the loss and its gradients, which a GPU replays as CUDA
            graphs.
    """
    config = load_config(CONFIG)
    config.model.data_preprocessor = None
    torch.manual_seed(0)
    model: Any = build_network(config).to(images.device).train()
    if not quick_loss:
        model.decode_head.loss_by_feat = MethodType(BaseDecodeHead.loss_by_feat, model.decode_head)
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-4, fused=fused or None)
    shape = {"img_shape": tuple(images.shape[2:])}
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label), metainfo=shape) for label in labels]
    on_gpu = images.device.type == "cuda"
    loss = torch.compile(model.loss, mode="reduce-overhead" if on_gpu else None) if compiled else model.loss

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(images.device.type, torch.bfloat16, enabled=bf16):
            losses = loss(images, samples)
        sum(value for name, value in losses.items() if "loss" in name).backward()
        optimizer.step()
        if on_gpu:
            torch.cuda.synchronize(images.device)

    return step


def memory_ratio(chosen: argparse.Namespace) -> float:
    """Return how many times faster the plain step is if freed memory is kept.

    Processes that keep it and processes that return it take turns.

    Args:
        chosen: options of the command line.
    """
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
    """Measure every row, print the table and the limit, and write the record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", nargs=2, type=int, default=[360, 480], metavar=("H", "W"))
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seconds", type=float, default=20.0, help="seconds for each row (default 20)")
    parser.add_argument("--compile", action="store_true", help="add rows with torch.compile (takes minutes)")
    parser.add_argument("--memory", choices=["keep", "return"], help=argparse.SUPPRESS)
    parser.add_argument("--work-dir", default="work_dirs/benchmarks/training_step", help="folder for records")
    chosen = parser.parse_args(arguments)

    threads = choose_threads()
    device = resolve_device(chosen.device)
    images = torch.randn(chosen.batch_size, 3, *chosen.shape, device=device)
    labels = torch.randint(0, 11, (chosen.batch_size, 1, *chosen.shape), device=device)
    if chosen.memory:
        keep_freed_memory(chosen.memory == "keep")
        step = training_step(images, labels)
        print(np.median(measure({"": step}, min_samples=5, max_seconds=chosen.seconds).seconds[""]))
        return
    steps = {
        "plain": training_step(images, labels),
        "quicker accuracy": training_step(images, labels, quick_loss=True),
        "fused AdamW": training_step(images, labels, fused=True),
        "channels_last": training_step(images, labels, channels_last=True),
        "all three": training_step(images, labels, quick_loss=True, fused=True, channels_last=True),
    }
    quick: dict[str, bool] = {"quick_loss": True, "fused": True}
    if device.type == "cuda" or cpu_computes_bf16():
        steps["bfloat16"] = training_step(images, labels, bf16=True)
        steps["all three, bfloat16"] = training_step(images, labels, **quick, channels_last=True, bf16=True)
    if chosen.compile:
        name = "quicker accuracy, fused AdamW, torch.compile"
        steps[name] = training_step(images, labels, **quick, compiled=True)
        if device.type == "cuda":
            steps[f"{name}, bfloat16"] = training_step(images, labels, **quick, compiled=True, bf16=True)
    name = f"LEDNet, training step of {chosen.batch_size}x3x{chosen.shape[0]}x{chosen.shape[1]}"
    compared = compare_ways(name, steps, chosen.batch_size, "images", seconds=chosen.seconds, device=device)
    print(compared.table())

    ceilings = measure_ceilings(device)
    peak = max(ceilings.gflop_per_s.values())
    gflop = 3 * 2 * chosen.batch_size * count_complexity(load_config(CONFIG), tuple(chosen.shape)).macs / 1e9
    details = {
        "shape": chosen.shape,
        "gflop": gflop,
        "ceilings_gflop_per_s": dict(ceilings.gflop_per_s),
        "limit_ms": 1e3 * gflop / peak,
    }
    print(f"limit: {details['limit_ms']:.1f} ms for 3 x {gflop / 3:.1f} GFLOP at {peak:.0f} GFLOP/s")
    if device.type == "cpu" and keep_freed_memory(False):
        details["memory_kept_ratio"] = memory_ratio(chosen)
        print(f"freed memory kept: the plain step is {details['memory_kept_ratio']:.2f} times as fast")
    write_record(compared.record(threads, details), chosen.work_dir)


if __name__ == "__main__":
    run_command(main)
