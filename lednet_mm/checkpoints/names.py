"""Tables that map authors' tensor names to ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lednet_mm.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

Rule = tuple[str, str | Callable[[re.Match], str]]
Output = Callable[[Any, "Sequence[Tensor]", "Tensor"], "Tensor | Sequence[Tensor]"]


@dataclass(frozen=True)
class NameTable:
    """Maps the tensors of an authors' network to ours, and adjusts the parity check to their code.

    Attributes:
        rules: (pattern, replacement) pairs of regular expressions, all applied in order to every name of the
            authors (``re.sub``); the result is our name.
        unused: patterns of tensors that the authors' code builds but does not use, and that we do not build.
        outputs: functions for those outputs of the reference vectors that the common rules in parity.py do
            not cover. Keys are patterns of output names; a function takes (model, feature maps, image) and
            returns the output, or all outputs that match the pattern, in the vector's order.
        unused_dropout: dropout layers that the authors' code builds and does not use, as the vectors state
            them: kind and probability of each.
        training_tolerance: largest accepted error in training mode, for a network that strongly amplifies
            rounding errors there; None means the tolerance of evaluation mode.
    """

    rules: Sequence[Rule]
    unused: Sequence[str] = ()
    outputs: Mapping[str, Output] = field(default_factory=dict)
    unused_dropout: Sequence[tuple[str, float]] = ()
    training_tolerance: float | None = None

    def rename(self, name: str) -> str | None:
        """Return our name of an authors' tensor; None if their network does not use it."""
        if any(re.search(pattern, name) for pattern in self.unused):
            return None
        for pattern, replacement in self.rules:
            name = re.sub(pattern, replacement, name)
        return name


def convert_state(
    table: NameTable, state: Mapping[str, Tensor], ours: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Rename an authors' state dict to ours, one to one.

    Args:
        table: name table of the authors' network.
        state: the authors' tensors by name.
        ours: a state dict of our model, which gives names and shapes.

    Returns:
        The tensors under our names. Counters ``num_batches_tracked`` that the authors' tensors lack are taken
        from ``ours``.

    Raises:
        InputError: a tensor has no counterpart on the other side, two tensors have the same counterpart, or
            shapes differ.
    """
    converted: dict[str, Tensor] = {}
    for name, tensor in state.items():
        renamed = table.rename(name)
        if renamed is None:
            continue
        if renamed not in ours:
            raise InputError(f"{name} has no counterpart in this network (looked for {renamed})")
        if renamed in converted:
            raise InputError(f"{name} and another tensor both map to {renamed}")
        if tensor.shape != ours[renamed].shape:
            raise InputError(
                f"{name} has shape {tuple(tensor.shape)}, "
                f"this network's {renamed} {tuple(ours[renamed].shape)}"
            )
        converted[renamed] = tensor
    for name in sorted(ours.keys() - converted.keys()):
        if not name.endswith("num_batches_tracked"):
            raise InputError(f"the file has no tensor for {name}")
        converted[name] = ours[name]
    return converted
