"""The table from the names of an authors' tensors to ours."""

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
    """Where each tensor of an authors' network goes, and how the proof against their code reads it.

    Attributes:
        rules: (pattern, replacement) pairs of regular expressions, all applied in order to every name of the
            authors (``re.sub``); the result is our name.
        unused: patterns of authors' tensors that are built but play no part, and that we do not build.
        outputs: for names of outputs in the reference vectors that the common rule (parity.py) does not know:
            pattern -> function of (model, feature maps, image) that computes it, or all that match the
            pattern, in the vector's order.
        dropout_is_built_but_unused: the authors' code makes dropout layers that its forward leaves out.
        training_tolerance: largest accepted error in training mode, for a network whose figures there hang
            on the last bit of rounding; None is the tolerance of evaluation mode.
    """

    rules: Sequence[Rule]
    unused: Sequence[str] = ()
    outputs: Mapping[str, Output] = field(default_factory=dict)
    dropout_is_built_but_unused: bool = False
    training_tolerance: float | None = None

    def rename(self, name: str) -> str | None:
        """Return our name of an authors' tensor; None if it plays no part."""
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
        table: of the authors' network.
        state: the authors' tensors by name.
        ours: a state dict of our model, for names and shapes.

    Returns:
        The tensors under our names. Counters ``num_batches_tracked`` that the authors' version of batch
        normalisation lacks are taken from ``ours``.

    Raises:
        InputError: a name without a counterpart on either side, two for one place, or another shape.
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
            raise InputError(f"nothing in the file for {name}")
        converted[name] = ours[name]
    return converted
