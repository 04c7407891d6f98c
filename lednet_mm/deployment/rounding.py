"""The rounding errors of number formats, and the differences from float32's output that they explain."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from lednet_mm.deployment.precisions import PRECISIONS

MAX_TOLERANCE = 0.5
"""No tolerance is larger than this: an output with a larger error may as well be wrong."""


def dtype_of(precision: str) -> torch.dtype:
    """Return the type of weights and activations in a precision of ``precisions.PRECISIONS``."""
    return getattr(torch, PRECISIONS[precision].dtype)


def allow_tf32(tf32: bool) -> None:
    """Allow or forbid TF32 from now on; see :func:`float32_products`."""
    cudnn: Any = torch.backends.cudnn
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    cudnn.allow_tf32 = tf32


@contextmanager
def float32_products(tf32: bool) -> Iterator[None]:
    """Choose whether a GPU may round the factors of float32 products to 10 bits; PyTorch's default is mixed.

    PyTorch 2.9 has newer settings beside the two that are used here. Once the newer ones are used, all code
    that reads the older ones raises a RuntimeError, such as PyTorch's own compiler.
    """
    cudnn: Any = torch.backends.cudnn
    before = torch.get_float32_matmul_precision(), cudnn.allow_tf32
    allow_tf32(tf32)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        cudnn.allow_tf32 = before[1]


@contextmanager
def fastest_algorithms() -> Iterator[None]:
    """Let cuDNN try its algorithms for every new size and keep the fastest."""
    before, torch.backends.cudnn.benchmark = torch.backends.cudnn.benchmark, True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def output_error(answer: Any, expected: Tensor) -> float:
    """Return the error of an engine's output against eager fp32 logits: its RMS relative to their spread.

    Args:
        answer: logits of the shape of ``expected``; or class ids (N, H, W), whose error is the difference
            between the highest logit and that of the chosen class, because near ties may go either way.
        expected: (N, C, H, W) float32 logits.

    Returns:
        Root mean square of the error divided by the standard deviation of ``expected``; infinite if the
            output has another shape or values that are not finite.
    """
    found, expected = torch.as_tensor(answer).detach().cpu(), expected.cpu()
    logits = found.is_floating_point()
    if found.shape != (expected.shape if logits else expected[:, 0].shape):
        return float("inf")
    if logits:
        errors = found.float() - expected
    else:
        errors = expected.amax(1) - expected.gather(1, found[:, None].long())[:, 0]
    # Divided before they are squared, which would overflow for logits above 1e19.
    error = (errors / expected.std().clamp(min=1e-30)).square().mean().sqrt()
    return float(error) if torch.isfinite(error) else float("inf")


def tolerance_for(precision: str, network: nn.Module, images: Tensor, expected: Tensor) -> float:
    """Return the largest :func:`output_error` that rounding can explain.

    Some networks amplify an error from layer to layer, especially untrained ones. A run in float64 shows how
    much float32's own error is amplified. For a coarser precision, a run in float32 shows it, with a rounding
    error added to every weight and pixel. Ten times the resulting error is accepted.

    Args:
        precision: key of ``precisions.PRECISIONS``.
        network: the network, in evaluation mode and float32; it is not changed.
        images: (N, C, H, W) float32.
        expected: (N, classes, H, W), the network's logits for these images.
    """
    changed = copy.deepcopy(network)
    generator = torch.Generator().manual_seed(0)

    def off(x: Tensor) -> Tensor:
        noise = 2 * torch.rand(x.shape, generator=generator) - 1
        return x * (1 + PRECISIONS[precision].rounding * noise.to(x))

    with torch.no_grad(), float32_products(tf32=False):
        if precision == "fp32":
            answer = changed.double()(images.double())
        else:
            for tensor in (*changed.parameters(), *changed.buffers()):
                if tensor.is_floating_point():
                    tensor.copy_(off(tensor))
            answer = changed(off(images))
    return min(MAX_TOLERANCE, max(PRECISIONS[precision].tolerance, 10 * output_error(answer, expected)))
