"""Watching the operators that a network runs, whatever code runs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


@dataclass(frozen=True)
class Operator:
    """One operator that ran.

    Attributes:
        packet: PyTorch's object for all its overloads, as in the keys of ``flop_registry``.
        is_view: whether its results share the memory of its arguments and nothing is written.
        args: its positional arguments.
        options: its arguments by name.
        result: what it returned.
    """

    packet: Any
    is_view: bool
    args: tuple
    options: Mapping[str, Any]
    result: Any

    @property
    def name(self) -> str:
        """Its name without namespace and overload, for example ``convolution``."""
        return self.packet.__name__


class WatchOperators(TorchDispatchMode):
    """While it is entered, every operator of PyTorch is reported once it has run.

    Args:
        report: called with each :class:`Operator`.
    """

    def __init__(self, report: Callable[[Operator], None]) -> None:
        super().__init__()
        self.report = report

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
        options = kwargs or {}
        result = func(*args, **options)
        aliases = [returned.alias_info for returned in func._schema.returns]
        is_view = any(alias is not None and not alias.is_write for alias in aliases)
        self.report(Operator(func._overloadpacket, is_view, args, options, result))
        return result


def tensors_in(value: Any) -> list[Tensor]:
    """List the tensors in nested lists, tuples and dicts."""
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]
