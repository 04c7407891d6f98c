"""Number formats: what they round, and how far an output may be from float32's."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from lednet_mm.deployment.precisions import PRECISIONS

MAX_TOLERANCE = 0.5
"""No tolerance is larger: an output as far from the right one is no evidence of anything."""


def dtype_of(precision: str) -> torch.dtype:
    """Return the type of weights and activations in a precision of ``precisions.PRECISIONS``."""
    return getattr(torch, PRECISIONS[precision].dtype)


def allow_tf32(tf32: bool) -> None:
    """Choose it from now on; see :func:`float32_products`."""
    cudnn: Any = torch.backends.cudnn
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    cudnn.allow_tf32 = tf32


@contextmanager
def float32_products(tf32: bool) -> Iterator[None]:
    """Choose whether a GPU may round the factors of float32 products to 10 bits (PyTorch's default mixes).

    PyTorch 2.9 has newer settings beside these two. They are left alone: once they are used, everything that
    asks for the older ones, such as its own compiler, raises a RuntimeError.
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
    """Let cuDNN try its algorithms for every size that it meets, and keep the fastest."""
    before, torch.backends.cudnn.benchmark = torch.backends.cudnn.benchmark, True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def output_error(answer: Any, expected: Tensor) -> float:
    """Return how far an engine's answer is from eager fp32's logits: RMS of the error over their spread.

    Args:
        answer: logits of the shape of ``expected``; or class ids (N, H, W), whose error is how much lower the
            logit of the class chosen is than the highest: near ties may fall either way.
        expected: (N, C, H, W) float32.

    Returns:
        Root mean square of the error over the standard deviation of ``expected``; infinite where something is
        no number or of another shape.
    """
    found, expected = torch.as_tensor(answer).detach().cpu(), expected.cpu()
    logits = found.is_floating_point()
    if found.shape != (expected.shape if logits else expected[:, 0].shape):
        return float("inf")
    if logits:
        errors = found.float() - expected
    else:
        errors = expected.amax(1) - expected.gather(1, found[:, None].long())[:, 0]
    error = errors.square().mean().sqrt() / expected.std().clamp(min=1e-30)
    return float(error) if torch.isfinite(error) else float("inf")


def tolerance_for(precision: str, network: nn.Module, images: Tensor, expected: Tensor) -> float:
    """Return the largest :func:`output_error` that rounding explains.

    Some networks amplify an error from layer to layer, untrained ones most. How much this one does is seen
    from float32's own error, by a run in float64; for a coarser precision from a run in float32 with every
    weight and pixel off by a rounding error of it. Ten times what comes out is allowed.

    Args:
        precision: key of ``precisions.PRECISIONS``.
        network: in evaluation mode, float32; it is not changed.
        images: (N, C, H, W) float32.
        expected: (N, classes, H, W), its logits.
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
