"""Building blocks of deployment forms: the registry of network-specific rewrites, and folding arithmetic.

A network that can compute the same outputs with less work registers a rewrite in its file::

    @deployment_rewrite
    def without_shuffles(network: nn.Module) -> None: ...
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

Rewrite = Callable[[nn.Module], None]

REWRITES: list[Rewrite] = []
"""All registered rewrites, each of which is applied to every network."""


def deployment_rewrite(rewrite: Rewrite) -> Rewrite:
    """Register a function that rewrites its own network in place and leaves other networks unchanged.

    It is called with a whole network in evaluation mode, after normalisations are folded and parts used only
    in training are removed. The outputs of the rewritten network are checked against the original's.
    """
    REWRITES.append(rewrite)
    return rewrite


def affine(norm: Any) -> tuple[Tensor, Tensor]:
    """Return the factor and the summand by which a normalisation maps each channel, (C,) float64 each."""
    factor = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        factor = factor * norm.weight.double()
    summand = -norm.running_mean.double() * factor
    return factor, summand if norm.bias is None else summand + norm.bias.double()


def _set(module: Any, weight: Tensor, bias: Tensor) -> None:
    dtype = module.weight.dtype
    module.weight = nn.Parameter(weight.to(dtype), requires_grad=False)
    module.bias = nn.Parameter(bias.to(dtype), requires_grad=False)


def _bias(module: Any) -> Tensor:
    return (
        module.weight.new_zeros(module.out_channels).double() if module.bias is None else module.bias.double()
    )


def scale_outputs(module: Any, factor: Tensor, summand: Tensor) -> None:
    """Change a convolution so that it gives ``factor * output + summand``, one value per channel."""
    weight = module.weight.double()
    if isinstance(module, nn.ConvTranspose2d):
        grouped = weight.unflatten(0, (module.groups, -1))  # (groups, in / groups, out / groups, kh, kw)
        weight = (grouped * factor.reshape(module.groups, 1, -1, 1, 1)).flatten(0, 1)
    else:
        weight = weight * factor[:, None, None, None]
    _set(module, weight, _bias(module) * factor + summand)


def scale_inputs(module: nn.Conv2d, factor: Tensor, summand: Tensor) -> None:
    """Fold ``factor * x + summand`` of a convolution's input x into the convolution, which must not pad."""
    weight = module.weight.double()
    per_output = module.out_channels // module.groups

    def of_each_output(values: Tensor) -> Tensor:
        return values.reshape(module.groups, -1).repeat_interleave(per_output, dim=0)[:, :, None, None]

    bias = _bias(module) + (weight * of_each_output(summand)).sum(dim=(1, 2, 3))
    _set(module, weight * of_each_output(factor), bias)


def replace_modules(network: nn.Module, replacements: Mapping[nn.Module, nn.Module]) -> None:
    """Replace modules of a network by others, wherever they are registered in it."""
    places = []
    for path, module in network.named_modules(remove_duplicate=False):
        if path and module in replacements:
            parent, _, name = path.rpartition(".")
            places.append((network.get_submodule(parent), name, replacements[module]))
    for place, name, other in places:
        setattr(place, name, other)
