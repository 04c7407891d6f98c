"""The roofline: the least time a device could take for a network, from what it must compute and move.

Operations are two for each multiply-add of convolutions and matrix products. Bytes are counted twice: the
least that any execution moves (images in, weights in, logits out), and what separate operators move (inputs
and outputs of each). The ceilings are measured on the device, in the same process.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import flop_registry

from lednet_mm.deployment.rounding import dtype_of, fastest_algorithms, float32_products
from lednet_mm.upstream.pytorch import Operator, WatchOperators, tensors_in


@dataclass(frozen=True)
class Work:
    """What one forward pass takes.

    Attributes:
        operators: (name, operations, bytes in and out) of each operator, in the order they run.
        minimum_bytes: images, weights and logits, each once.
    """

    operators: tuple[tuple[str, int, int], ...]
    minimum_bytes: int

    @property
    def operations(self) -> int:
        """Of all operators."""
        return sum(operations for _, operations, _ in self.operators)

    @property
    def operator_bytes(self) -> int:
        """Of all operators."""
        return sum(size for _, _, size in self.operators)


@dataclass(frozen=True)
class Ceilings:
    """What a device reaches, the best of several tries.

    Attributes:
        gflop_per_s: by kind of work: a matrix product, a 3x3 convolution of 64 channels.
        gb_per_s: of a copy far larger than the caches, bytes read and written.
    """

    gflop_per_s: Mapping[str, float]
    gb_per_s: float

    def least_ms(self, operations: float, size: float) -> float:
        """Return the least time for operations and bytes, whichever takes longer."""
        return 1e-6 * max(operations / max(self.gflop_per_s.values()), size / self.gb_per_s)


def _bytes(tensor: Tensor) -> int:
    """Return the bytes behind a tensor; a broadcast axis is there once."""
    distinct = math.prod(n for n, s in zip(tensor.shape, tensor.stride(), strict=True) if s != 0)
    return distinct * tensor.element_size()


def count_work(network: nn.Module, shape: Sequence[int], precision: str = "fp32") -> Work:
    """Count a network's operations and bytes from its shapes, without computing anything.

    Args:
        network: in evaluation mode; it is not changed.
        shape: of the images, (N, C, H, W).
        precision: key of ``precisions.PRECISIONS``; its type's size counts.
    """
    network = copy.deepcopy(network).to(device="meta", dtype=dtype_of(precision))
    images = torch.empty(shape, device="meta", dtype=dtype_of(precision))
    operators: list[tuple[str, int, int]] = []

    def note(operator: Operator) -> None:
        # A view moves nothing, nor does memory that is only reserved.
        if operator.is_view or operator.name.startswith(("empty", "new_empty")):
            return
        count = flop_registry.get(operator.packet)
        operations = count(*operator.args, **operator.options, out_val=operator.result) if count else 0
        moved = tensors_in([operator.args, dict(operator.options), operator.result])
        operators.append((operator.name, int(operations), sum(map(_bytes, moved))))

    with torch.no_grad(), WatchOperators(note):
        logits = network(images)
    weights = sum(_bytes(tensor) for tensor in (*network.parameters(), *network.buffers()))
    return Work(tuple(operators), _bytes(images) + weights + _bytes(logits))


def measure_ceilings(device: torch.device, precision: str = "fp32", tries: int = 10) -> Ceilings:
    """Measure what a device reaches with PyTorch's kernels and the threads that are set.

    Args:
        device: CPU or GPU.
        precision: key of ``precisions.PRECISIONS``.
        tries: the best of them counts.
    """
    large = device.type == "cuda"
    options: dict[str, Any] = {"device": device, "dtype": dtype_of(precision)}

    def best(call: Callable[[], object]) -> float:
        times = []
        for _ in range(tries + 2):
            begin = time.perf_counter()
            call()
            if large:
                torch.cuda.synchronize(device)
            times.append(time.perf_counter() - begin)
        return min(times[2:])

    n = 8192 if large else 1024
    a, b = torch.randn(n, n, **options), torch.randn(n, n, **options)
    images, height, width = (16, 512, 1024) if large else (1, 128, 256)
    maps = torch.randn(images, 64, height, width, **options)
    weight = torch.randn(64, 64, 3, 3, **options)
    source = torch.ones((1 << 30 if large else 1 << 28) // 4, device=device)
    target = torch.empty_like(source).fill_(0)
    with torch.inference_mode(), float32_products(precision == "tf32"), fastest_algorithms():
        product = best(lambda: a @ b)
        convolution = best(lambda: F.conv2d(maps, weight, padding=1))
        copied = best(lambda: target.copy_(source))
    return Ceilings(
        {
            "matrix_product": 2e-9 * n**3 / product,
            "convolution": 2e-9 * images * height * width * 64 * 64 * 9 / convolution,
        },
        2e-9 * _bytes(source) / copied,
    )


def roofline(work: Work, ceilings: Ceilings, latency_ms: float) -> tuple[dict[str, float], dict[str, Any]]:
    """Return the numbers and details that a latency record gets.

    Args:
        work: of the whole batch.
        ceilings: of the device, in the precision timed.
        latency_ms: of the batch.

    Returns:
        Values: ``gflop_per_s`` reached; ``roofline_ms``, the least time with every byte moved once, and
        ``operator_roofline_ms``, the least time with every operator on its own; ``roofline_fraction``, the
        first over the latency. Details: what they follow from.
    """
    least = ceilings.least_ms(work.operations, work.minimum_bytes)
    values = {
        "gflop_per_s": 1e-6 * work.operations / latency_ms,
        "roofline_ms": least,
        "operator_roofline_ms": sum(ceilings.least_ms(o, size) for _, o, size in work.operators),
        "roofline_fraction": least / latency_ms,
    }
    details = {
        "operations": work.operations,
        "minimum_bytes": work.minimum_bytes,
        "operator_bytes": work.operator_bytes,
        "ceilings": {
            **{f"gflop_per_s_{kind}": value for kind, value in ceilings.gflop_per_s.items()},
            "gb_per_s_copy": ceilings.gb_per_s,
        },
    }
    return values, details
