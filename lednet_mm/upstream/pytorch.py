"""PyTorch: operator watching, the compiler's limit, normalisation layers, versions of modules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

CONVOLUTIONS = (
    *(nn.Conv1d, nn.Conv2d, nn.Conv3d),
    *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
)
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
INSTANCE_NORMS = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
NORMALISATIONS = (*BATCH_NORMS, *INSTANCE_NORMS, nn.LayerNorm, nn.GroupNorm)
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
"""The layers of each kind; the base class that they share is private."""


@dataclass(frozen=True)
class Operator:
    """One operator that has run.

    Attributes:
        packet: PyTorch's object for all overloads of the operator, as in the keys of ``flop_registry``.
        is_view: whether its results share memory with its arguments and nothing is written.
        args: positional arguments.
        options: keyword arguments.
        result: its return value.
    """

    packet: Any
    is_view: bool
    args: tuple
    options: Mapping[str, Any]
    result: Any

    @property
    def name(self) -> str:
        """The operator's name without namespace and overload, for example ``convolution``."""
        return self.packet.__name__


class WatchOperators(TorchDispatchMode):
    """Reports every PyTorch operator after it has run, while this context is entered.

    Args:
        report: function that is called with each :class:`Operator`.
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
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return []
    return [tensor for part in value for tensor in tensors_in(part)]


def compile_any_number_of_versions() -> None:
    """Let PyTorch's compiler keep more than 8 versions of the same code in this process.

    Several networks share the code of their outermost class. Beyond its limit, the compiler stops compiling
    this code and only warns about it.
    """
    from torch._dynamo import config

    for limit in ("recompile_limit", "cache_size_limit"):  # the second is the name before PyTorch 2.7
        if hasattr(config, limit):
            setattr(config, limit, 1_000_000)
            break


def plain_batch_norm(norm: nn.SyncBatchNorm) -> nn.BatchNorm2d:
    """Return the batch normalisation that computes the same as a synchronised one in a single process.

    It shares the parameters. Like the synchronised one, it takes maps of any number of dimensions; those of
    EncNet are one-dimensional.
    """
    plain = nn.BatchNorm2d(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
    plain._check_input_dim = lambda input: None  # type: ignore[method-assign]
    plain.weight, plain.bias = norm.weight, norm.bias
    plain.load_state_dict(norm.state_dict())
    return plain


def module_versions(state: Any) -> Any:
    """Return the module versions in a state dict; None if it has none."""
    return getattr(state, "_metadata", None)


def set_module_versions(state: Any, versions: Any) -> None:
    """Attach module versions to a state dict, where ``load_state_dict`` looks for them."""
    state._metadata = versions
