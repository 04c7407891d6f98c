"""ptflops: its two counters, with a callback for each layer, function and operator that they count.

ptflops returns sums only. It keeps its counting rules in tables; each rule is wrapped here during a count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ptflops import get_model_complexity_info
from ptflops.aten_ops import ATEN_OPS_MAPPING
from ptflops.pytorch_ops import FUNCTIONAL_MAPPING, MODULES_MAPPING, TENSOR_OPS_MAPPING
from torch import Tensor, nn


class _KeepsError(nn.Module):
    """A network that keeps the exception that ptflops swallows."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.error: Exception | None = None

    def forward(self, images: Tensor) -> Tensor:
        try:
            return self.network(images)
        except Exception as error:
            self.error = error
            raise


def counts_module(module: nn.Module) -> bool:
    """Return whether ptflops has a rule for this layer in its hook-based counter."""
    return type(module) in MODULES_MAPPING


def counts_operator(packet: Any) -> bool:
    """Return whether ptflops has a rule for this ``OpOverloadPacket`` in its operator-based counter."""
    return packet in ATEN_OPS_MAPPING


def total_by_hooks(
    network: nn.Module,
    shape: Sequence[int],
    *,
    of_module: Callable[[nn.Module, Any, int], None],
    of_function: Callable[[Callable, int], None],
) -> int:
    """Count the multiply-adds of a forward pass by hooks on layers and functions.

    Args:
        network: network to count, which runs on zeros on the device of its parameters.
        shape: (C, H, W) of the image.
        of_module: function called after each counted layer with the layer, its output and its multiply-adds.
        of_function: function called after each counted function with the function and its multiply-adds.

    Returns:
        The sum; a layer that is registered in several places counts once for each of them.

    Raises:
        Exception: any exception that the network raises.
    """

    def for_module(rule: Callable) -> Callable:
        def counted(module: Any, inputs: Any, output: Any) -> None:
            before = module.__flops__
            rule(module, inputs, output)
            of_module(module, output, int(module.__flops__ - before))

        return counted

    def for_function(function: Callable, rule: Callable) -> Callable:
        def counted(*args: Any, **kwargs: Any) -> int:
            macs = int(rule(*args, **kwargs))
            of_function(function, macs)
            return macs

        return counted

    modules = {kind: for_module(rule) for kind, rule in MODULES_MAPPING.items()}
    with _wrapped(FUNCTIONAL_MAPPING, for_function), _wrapped(TENSOR_OPS_MAPPING, for_function):
        return _total(network, shape, "pytorch", modules)


def total_by_operators(
    network: nn.Module, shape: Sequence[int], *, of_operator: Callable[[Any, Any, Any, int], None]
) -> int:
    """Count the multiply-adds of a forward pass by watching PyTorch's operators.

    Args:
        network: network to count, which runs on zeros on the device of its parameters.
        shape: (C, H, W) of the image.
        of_operator: function called after each counted operator with PyTorch's object for all its overloads,
            its inputs, its outputs and its multiply-adds.

    Raises:
        Exception: any exception that the network raises.
    """

    def for_operator(packet: Any, rule: Callable) -> Callable:
        def counted(inputs: Any, outputs: Any) -> int:
            macs = int(rule(inputs, outputs))
            of_operator(packet, inputs, outputs, macs)
            return macs

        return counted

    rules = {packet: for_operator(packet, rule) for packet, rule in ATEN_OPS_MAPPING.items()}
    return _total(network, shape, "aten", rules)


def _total(network: nn.Module, shape: Sequence[int], backend: str, rules: dict) -> int:
    watched = _KeepsError(network)
    total: Any = get_model_complexity_info(
        watched,
        tuple(shape),
        print_per_layer_stat=False,
        as_strings=False,
        backend=backend,
        custom_modules_hooks=rules,
    )[0]
    if total is None:
        raise watched.error or RuntimeError("ptflops gives no reason")
    return int(total)


@contextmanager
def _wrapped(table: dict, wrap: Callable[[Callable, Callable], Callable]) -> Iterator[None]:
    """Wrap the rules in one of ptflops' tables, as it has no interface for other rules."""
    before = dict(table)
    table.update({function: wrap(function, rule) for function, rule in before.items()})
    try:
        yield
    finally:
        table.clear()
        table.update(before)
