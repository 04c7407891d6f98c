"""The precision in which a training or a test really computes, as its record states it.

By default, PyTorch rounds the factors of float32 convolutions to TF32's 10 bits on NVIDIA GPUs since Ampere,
but not those of matrix products. So a run without mixed precision is not fp32 there, unless its config says
``tf32 = False``.
"""

from __future__ import annotations

from typing import Any

import torch

from lednet_mm.deployment.rounding import allow_tf32

SHORT = {torch.float16: "fp16", torch.bfloat16: "bf16", torch.float32: "fp32", torch.float64: "fp64"}
PRODUCTS = {"highest": "fp32", "high": "tf32", "medium": "bf16"}
"""Result of ``torch.get_float32_matmul_precision`` -> how the factors of matrix products are rounded."""
AMPERE = (8, 0)
"""The lowest compute capability of a GPU with TF32."""


def choose_tf32(chosen: bool | None) -> None:
    """Allow or forbid a GPU to round the factors of float32 matrix products and convolutions to TF32.

    Args:
        chosen: the config's ``tf32``; None leaves PyTorch's settings unchanged.
    """
    if chosen is not None:
        allow_tf32(bool(chosen))


def describe_precision(
    capability: tuple[int, int] | None, convolutions_tf32: bool, products: str, mixed: str | None = None
) -> str:
    """Describe the precision in which a device computes.

    Args:
        capability: compute capability of an NVIDIA GPU; None for any other device.
        convolutions_tf32: whether cuDNN may use TF32.
        products: result of ``torch.get_float32_matmul_precision``.
        mixed: short name of the mixed precision type, ``fp16`` or ``bf16``; None without mixed precision.

    Returns:
        ``fp32``, ``tf32``, ``fp16`` or ``bf16``; where matrix products and convolutions differ, both, matrix
        products first: ``fp32, convolutions tf32``.
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
    """Return the precision in which this process computes now; see :func:`describe_precision`.

    Args:
        device: device of the network.
        autocast: whether the network runs in mixed precision.
        dtype: type of mixed precision; None is PyTorch's default for the device.
    """
    mixed = None
    if autocast:
        mixed = SHORT.get(chosen := dtype or torch.get_autocast_dtype(device.type), str(chosen))
    # PyTorch built for AMD GPUs also calls them cuda; they have no TF32.
    nvidia = device.type == "cuda" and torch.version.cuda is not None
    cudnn: Any = torch.backends.cudnn
    return describe_precision(
        torch.cuda.get_device_capability(device) if nvidia else None,
        cudnn.allow_tf32,
        torch.get_float32_matmul_precision(),
        mixed,
    )
