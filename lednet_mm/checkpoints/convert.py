"""Convert authors' checkpoints to ours: read them without executing code and rename every tensor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lednet_mm.cards import card_of_vector, network_cards
from lednet_mm.checkpoints.authors import authors_model, name_table
from lednet_mm.checkpoints.files import COUNTER, require_finite, weights_of, write_state
from lednet_mm.checkpoints.names import convert_state
from lednet_mm.checkpoints.parity import build_model
from lednet_mm.checkpoints.reading import read_checkpoint
from lednet_mm.errors import InputError
from lednet_mm.files import check_outputs, file_sha256

AUXILIARY = "auxiliary_head."


@dataclass(frozen=True)
class Conversion:
    """The result of a conversion.

    Attributes:
        network: name of the reference vector of the checkpoint's network.
        num_classes: number of the network's outputs, including one for void if it has that.
        tensors: number of tensors in the new file.
        unused: the authors' tensors that their network builds but does not use.
        auxiliary: tensors of heads used only in training, which the new file leaves out.
        source_sha256: sha256 of the authors' file.
    """

    network: str
    num_classes: int
    tensors: int
    unused: tuple[str, ...]
    auxiliary: tuple[str, ...]
    source_sha256: str


def convert_checkpoint(
    network: str,
    source: str | Path,
    target: str | Path,
    num_classes: int | None = None,
    keep_auxiliary: bool = False,
    overwrite: bool = False,
) -> Conversion:
    """Convert an authors' checkpoint.

    Args:
        network: name of the reference vector of the checkpoint's network.
        source: the authors' file, of which only tensors and plain values are read.
        target: the file to write ``{"state_dict": ..., "meta": ...}`` to; it is unchanged if an error is
            raised.
        num_classes: number of classes of the authors' network; None reads it from the tensors' shapes.
        keep_auxiliary: whether to keep the heads used only in training, for a config that has them too.
        overwrite: whether an existing file with other content may be replaced.

    Raises:
        InputError: a file cannot be read or written, or a tensor is missing, left over, of another shape or
            not finite.
    """
    table = name_table(network)
    source = Path(source)
    check_outputs([target], [source], overwrite=True)
    state = weights_of(read_checkpoint(source), source, _shapes(network, 23), table.rename)
    require_finite(state, source)
    classes = num_classes or count_classes(network, state)
    if classes is None:
        raise InputError(f"{source}: it has no tensor of {network}'s classifier{_fitting(network, state)}")
    try:
        converted = convert_state(table, state, build_model(authors_model(network), classes).state_dict())
    except ValueError as error:
        raise InputError(f"{network} with {classes} classes cannot be built: {error}") from error
    except InputError as error:
        raise InputError(
            f"{source}: not {network} with {classes} classes: {error}{_fitting(network, state)}"
        ) from None
    auxiliary = () if keep_auxiliary else tuple(name for name in converted if name.startswith(AUXILIARY))
    result = Conversion(
        network=network,
        num_classes=classes,
        tensors=len(converted) - len(auxiliary),
        unused=tuple(name for name in state if table.rename(name) is None),
        auxiliary=auxiliary,
        source_sha256=file_sha256(source),
    )
    meta = {
        "network": network,
        "num_classes": classes,
        "source": source.name,
        "source_sha256": result.source_sha256,
        "repository": card_of_vector(network).version(network).repository,
    }
    kept = {name: tensor for name, tensor in converted.items() if name not in auxiliary}
    write_state(kept, meta, target, overwrite)
    return result


def count_classes(network: str, state: Mapping[str, Tensor]) -> int | None:
    """Read the number of classes from the shapes of an authors' state dict.

    Our model is built with two numbers of classes to find the dimensions that equal the number of classes.
    The same dimensions of the authors' tensors give their number; the most frequent one is returned, or None
    if there is no such dimension.

    Args:
        network: name of the reference vector of the tensors' network.
        state: the authors' tensors by name.
    """
    table = name_table(network)
    first, second = 23, 29  # primes, so that no other dimension equals both
    few, many = _shapes(network, first), _shapes(network, second)
    votes: Counter[int] = Counter()
    for name, tensor in state.items():
        ours = table.rename(name)
        if ours in few and len(few[ours]) == tensor.dim():
            sizes = zip(few[ours], many[ours], tensor.shape, strict=True)
            votes.update(theirs for a, b, theirs in sizes if (a, b) == (first, second))
    return votes.most_common(1)[0][0] if votes else None


def _shapes(network: str, num_classes: int) -> dict[str, torch.Size]:
    with torch.device("meta"):
        model = build_model(authors_model(network), num_classes)
    return {name: tensor.shape for name, tensor in model.state_dict().items()}


def _fitting(network: str, state: Mapping[str, Tensor]) -> str:
    """Return a hint at the networks of the same repository that the tensors fit, or an empty text."""
    found = []
    code = {name: card.version(name).repository for card in network_cards().values() for name in card.vectors}
    for name in code:
        if name == network or code[name] != code[network]:
            continue
        table = name_table(name)
        ours = {name for name in _shapes(name, 23) if not name.endswith(COUNTER)}
        theirs = {table.rename(name) for name in state if not name.endswith(COUNTER)} - {None}
        classes = count_classes(name, state) if theirs == ours else None
        if classes is None:
            continue
        try:
            with torch.device("meta"):
                convert_state(table, state, build_model(authors_model(name), classes).state_dict())
        except (InputError, ValueError):
            continue
        found.append(name)
    return f"; it is {' or '.join(found)}" if found else ""
