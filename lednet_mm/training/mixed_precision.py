"""Mixed precision: fp16 with loss scaling on a GPU, bf16 on a CPU that has instructions for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import nn

from lednet_mm.errors import InputError
from lednet_mm.training.precision import precision_now

BF16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16")
"""Names of ``torch.cpu.get_capabilities`` for sets of instructions with products of bfloat16."""


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """An optimiser wrapper whose forward passes run in bfloat16 by autocast on a CPU.

    MMEngine's ``AmpOptimWrapper`` refuses CPUs. bfloat16 has the exponents of float32, so the loss is not
    scaled. Weights, their gradients and the optimiser stay in float32.
    """

    cast_dtype = torch.bfloat16

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Run a forward pass in bfloat16, within the base class's context for accumulated gradients."""
        with super().optim_context(model), torch.autocast("cpu", self.cast_dtype):
            yield


def cpu_computes_bf16() -> bool:
    """Return whether this CPU has instructions for products of bfloat16 that PyTorch knows of."""
    capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name) for name in BF16_INSTRUCTIONS)


def mixed_precision_wrapper() -> dict[str, Any]:
    """Return the settings of the optimiser wrapper for mixed precision on this machine.

    Raises:
        InputError: this machine has neither a GPU nor a CPU with instructions for bfloat16.
    """
    if torch.cuda.is_available():
        return {"type": "AmpOptimWrapper", "loss_scale": "dynamic"}
    if cpu_computes_bf16():
        return {"type": "BFloat16OptimWrapper"}
    raise InputError(
        "--amp needs a GPU that PyTorch can use, or a CPU with AVX512-BF16 or AMX: this machine has neither"
    )


def precision_of_training(device: torch.device, wrapper: Any) -> str:
    """Return the precision in which a training computes; see :func:`~precision.describe_precision`.

    Args:
        device: device of the network.
        wrapper: optimiser wrapper.
    """
    mixed = isinstance(wrapper, (AmpOptimWrapper, BFloat16OptimWrapper))
    return precision_now(device, mixed, getattr(wrapper, "cast_dtype", None))
