"""Load initial weights for a training: whatever fits of a checkpoint of the network or of its encoder."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from lednet_mm.checkpoints.files import COUNTER, Fit, count_names, require_finite, weights_of
from lednet_mm.errors import InputError

ENCODER = "backbone."
"""The prefix of the encoder's tensors in a network."""


def initial_weights(
    checkpoint: Mapping[str, Any], where: str | Path, ours: Collection[str]
) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint under the names that the network gives them.

    Args:
        checkpoint: checkpoint of a network, or of an encoder, whose names may lack the encoder's prefix.
        where: name of the checkpoint in messages.
        ours: names of the network's tensors.

    Raises:
        InputError: there are no tensors, or some are not plain arrays of numbers.
    """
    readings = [
        {prefix + name: t for name, t in weights_of(checkpoint, where, ours, prefix.__add__).items()}
        for prefix in ("", ENCODER)
    ]
    return max(readings, key=lambda state: len(state.keys() & set(ours)))


def load_initial(
    model: nn.Module, state: Mapping[str, Tensor], where: str | Path
) -> tuple[str, dict[str, Any]]:
    """Load the tensors that fit a model by name and shape.

    Args:
        model: the model to load them into; it is unchanged if an error is raised.
        state: tensors as :func:`initial_weights` returns them.
        where: name of the checkpoint in messages.

    Returns:
        One line that says what was loaded and what was left out, and the same as values for a record.
        Counters of batch normalisation are loaded if the file has them, but not counted.

    Raises:
        InputError: nothing fits the encoder, or a weight is not finite.
    """
    ours = model.state_dict()
    fit = Fit(ours, state)
    network = _counted(ours)
    encoder = {name for name in network if name.startswith(ENCODER)} or network
    loaded = _counted(fit.fitting)
    surplus = [name for name in fit.surplus if not name.endswith(COUNTER)]
    left = count_names(
        {
            "of another shape": [f"{name} {_difference(state[name], ours[name])}" for name in fit.reshaped],
            "not in the file": fit.missing,
            "of the file not in the network": surplus,
        },
        most=4,
    )
    line = (
        f"{where}: {len(loaded)} of the network's {len(network)} tensors fit, "
        f"{len(loaded & encoder)} of its encoder's {len(encoder)}; left: {'; '.join(left) or 'none'}"
    )
    if not loaded & encoder:
        raise InputError(f"{line}: name a checkpoint of this network, or of its encoder, to begin from")
    require_finite(fit.fitting, where)
    model.load_state_dict(fit.fitting, strict=False)
    if 2 * len(loaded & encoder) < len(encoder):
        line += "; that is less than half of the encoder: is it a checkpoint of another network?"
    told = {
        "tensors_loaded": len(loaded),
        "of_another_shape": fit.reshaped,
        "not_in_the_file": fit.missing,
        "not_in_the_network": len(surplus),
    }
    return line, told


def _counted(names: Collection[str]) -> set[str]:
    return {name for name in names if not name.endswith(COUNTER)}


def _difference(theirs: Tensor, ours: Tensor) -> str:
    if theirs.shape == ours.shape:
        return f"of {theirs.dtype} instead of {ours.dtype}"
    return f"{tuple(theirs.shape)} instead of {tuple(ours.shape)}"
