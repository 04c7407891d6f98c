"""What ``--recipe common+recompute`` saves and costs: memory and time of a training step with and without it.

python benchmarks/recomputing.py lednet dabnet [--shape 512 1024] [--batch-size 2]

Memory is the peak of one forward and backward pass: weights, images and everything that PyTorch's allocator
gives out (on a CPU by its profiler, on a GPU by its statistics). Gradients of both ways must be the same bits
on a CPU, else nothing is printed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import lednet_mm.register  # noqa: F401  (first: threads are set before PyTorch starts)

# isort: split
import torch
from mmseg.registry import MODELS
from torch.nn import functional as F

from lednet_mm.config import Choice, load_config
from lednet_mm.counting.memory import peak_memory
from lednet_mm.environment import choose_threads
from lednet_mm.errors import InputError, run_command
from lednet_mm.training.recomputing import recompute_blocks


def step_of(
    network: str, images: torch.Tensor, recompute: bool
) -> tuple[Callable[[], list], torch.nn.Module]:
    """Return a function that trains one step and returns the gradients, and the model."""
    torch.manual_seed(0)
    model = MODELS.build(load_config(Choice(network, "cityscapes")).model).to(images.device).train()
    if recompute:
        recompute_blocks(model.backbone)
    labels = torch.zeros(len(images), *images.shape[2:], dtype=torch.int64, device=images.device)

    def step() -> list:
        model.zero_grad()
        torch.manual_seed(0)
        F.cross_entropy(model.logits(images), labels).backward()
        return [p.grad.clone() for p in model.parameters() if p.grad is not None]

    return step, model


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare the gradients, then measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="+", help="names of networks")
    parser.add_argument("--shape", nargs=2, type=int, default=[512, 1024], metavar=("H", "W"))
    parser.add_argument("--batch-size", type=int, default=2)
    options = parser.parse_args(arguments)
    torch.set_num_threads(choose_threads().count)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    images = torch.randn(options.batch_size, 3, *options.shape, device=device)
    print(f"{options.batch_size}x3x{options.shape[0]}x{options.shape[1]}, {device}")
    for network in options.networks:
        found: dict[bool, tuple[list, float, float]] = {}
        for recompute in (False, True):
            step, model = step_of(network, images, recompute)
            gradients = step()
            began = time.perf_counter()
            step()
            seconds = time.perf_counter() - began
            found[recompute] = gradients, peak_memory(step, model, images) / 2**20, seconds
        if device == "cpu" and not all(map(torch.equal, found[False][0], found[True][0])):
            raise InputError(f"{network}: the gradients differ")
        (_, plain, before), (_, less, after) = found[False], found[True]
        print(
            f"{network}: {plain:.0f} MiB, recomputed {less:.0f} MiB ({less / plain:.0%}); "
            f"{before:.2f} s, recomputed {after:.2f} s"
        )


if __name__ == "__main__":
    run_command(main)
