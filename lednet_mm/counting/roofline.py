"""The roofline: the least time that a device needs for a network's operations and memory traffic.

Each multiply-add of a convolution or matrix product counts as two operations. There are two counts of bytes:
the minimum that any execution moves (images, weights and logits once), and the bytes that separate operators
move (inputs and outputs of each). The ceilings are measured on the device in the same process.
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
    """Operations and bytes of one forward pass.

    Attributes:
        operators: (name, operations, bytes in and out) of each operator, in the order of execution.
        minimum_bytes: bytes of images, weights and logits, each counted once.
    """

    operators: tuple[tuple[str, int, int], ...]
    minimum_bytes: int

    @property
    def operations(self) -> int:
        """Operations of all operators."""
        return sum(operations for _, operations, _ in self.operators)

    @property
    def operator_bytes(self) -> int:
        """Bytes in and out of all operators."""
        return sum(size for _, _, size in self.operators)


@dataclass(frozen=True)
class Ceilings:
    """The highest rates that a device reaches in several tries.

    Attributes:
        gflop_per_s: kind of work (matrix product, 3x3 convolution of 64 channels) -> rate.
        gb_per_s: rate of a copy far larger than the caches; bytes read and written both count.
    """

    gflop_per_s: Mapping[str, float]
    gb_per_s: float

    def least_ms(self, operations: float, size: float) -> float:
        """Return the least time for operations and bytes: the longer of their two times."""
        return 1e-6 * max(operations / max(self.gflop_per_s.values()), size / self.gb_per_s)


def _bytes(tensor: Tensor) -> int:
    """Return the bytes that a tensor occupies; a broadcast axis counts once."""
    distinct = math.prod(n for n, s in zip(tensor.shape, tensor.stride(), strict=True) if s != 0)
    return distinct * tensor.element_size()


def count_work(
    network: nn.Module,
    shape: Sequence[int],
    precision: str = "fp32",
    image_type: torch.dtype | None = None,
) -> Work:
    """Count a network's operations and bytes from shapes, without computing values.

    Args:
        network: the network, in evaluation mode; it is not changed.
        shape: (N, C, H, W) of the images.
        precision: key of ``precisions.PRECISIONS``, whose type gives the bytes of each value.
        image_type: type of the images, if it is another one.
    """
    network = copy.deepcopy(network).to(device="meta", dtype=dtype_of(precision))
    images = torch.empty(shape, device="meta", dtype=image_type or dtype_of(precision))
    operators: list[tuple[str, int, int]] = []

    def note(operator: Operator) -> None:
        # A view moves no bytes, and neither does memory that is only allocated.
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
    """Measure the rates that a device reaches with PyTorch's kernels and the current number of threads.

    Args:
        device: CPU or GPU to measure.
        precision: key of ``precisions.PRECISIONS``.
        tries: number of tries, of which the best one counts.
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
    """Return the values and details of the roofline for a latency record.

    Args:
        work: operations and bytes of the whole batch.
        ceilings: ceilings of the device in the precision that was timed.
        latency_ms: latency of the batch.

    Returns:
        Values: ``gflop_per_s``, the rate reached; ``roofline_ms``, the least time if every byte is moved
        once; ``operator_roofline_ms``, the least time if every operator runs on its own;
        ``roofline_fraction``, the share of the latency that ``roofline_ms`` makes up. Details: the numbers
        from which these follow.
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
