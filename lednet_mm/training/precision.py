"""The precision that a training or a test really computes in, as its record says it.

By PyTorch's default, a GPU since NVIDIA's Ampere rounds the factors of float32 convolutions to TF32's 10
bits, and those of matrix products not. So a run without mixed precision is not fp32 there, unless its config
says ``tf32 = False``.
"""

from __future__ import annotations

from typing import Any

import torch

from lednet_mm.deployment.rounding import allow_tf32

SHORT = {torch.float16: "fp16", torch.bfloat16: "bf16", torch.float32: "fp32", torch.float64: "fp64"}
PRODUCTS = {"highest": "fp32", "high": "tf32", "medium": "bf16"}
"""What ``torch.get_float32_matmul_precision`` says -> how the factors of matrix products are rounded."""
AMPERE = (8, 0)
"""The compute capability from which a GPU has TF32."""


def choose_tf32(chosen: bool | None) -> None:
    """Let a GPU round the factors of float32 products and convolutions to TF32, or keep it from that.

    Args:
        chosen: ``tf32`` of a config; None leaves PyTorch's settings as they are.
    """
    if chosen is not None:
        allow_tf32(bool(chosen))


def describe_precision(
    capability: tuple[int, int] | None, convolutions_tf32: bool, products: str, mixed: str | None = None
) -> str:
    """Say in which precision a device computes.

    Args:
        capability: compute capability of an NVIDIA GPU; None of any other device.
        convolutions_tf32: whether cuDNN may use TF32.
        products: what ``torch.get_float32_matmul_precision`` says.
        mixed: the short type of mixed precision, ``fp16`` or ``bf16``; None without.

    Returns:
        ``fp32``, ``tf32``, ``fp16``, ``bf16``, or where PyTorch treats them differently, matrix products
        first: ``fp32, convolutions tf32``.
    """
    if mixed is not None:
        return mixed
    if capability is None or capability < AMPERE:
        return "fp32"
    of_products, of_convolutions = PRODUCTS[products], "tf32" if convolutions_tf32 else "fp32"
    if of_products == of_convolutions:
        return of_products
    return f"{of_products}, convolutions {of_convolutions}"


def precision_now(device: torch.device, autocast: bool = False, dtype: torch.dtype | None = None) -> str:
    """Return the precision that this process computes in now; see :func:`describe_precision`.

    Args:
        device: where the network is.
        autocast: whether it runs in mixed precision.
        dtype: of mixed precision; None is PyTorch's default of the device.
    """
    mixed = None
    if autocast:
        mixed = SHORT.get(chosen := dtype or torch.get_autocast_dtype(device.type), str(chosen))
    # A build for AMD's GPUs calls them cuda too; they have no TF32.
    nvidia = device.type == "cuda" and torch.version.cuda is not None
    cudnn: Any = torch.backends.cudnn
    return describe_precision(
        torch.cuda.get_device_capability(device) if nvidia else None,
        cudnn.allow_tf32,
        torch.get_float32_matmul_precision(),
        mixed,
    )
