"""Find the weights in a checkpoint file, load them strictly into a model, and write checkpoint files."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor, nn

from lednet_mm.checkpoints.binding import compare_with_config, meta_of
from lednet_mm.checkpoints.listing import checkpoints_of
from lednet_mm.checkpoints.reading import read_checkpoint
from lednet_mm.errors import InputError, describe_os_error
from lednet_mm.files import check_outputs, file_sha256, write_output
from lednet_mm.text import one_line, shortened

WEIGHTS_UNDER = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "module",
    "weights",
    "params",
    "ema",
    "ema_state_dict",
    "state_dict_ema",
    "model_ema",
)
"""Keys under which a checkpoint may keep its weights, possibly nested; the first that fits is used."""

WRAPPERS = ("module", "_orig_mod", "model", "net", "network")
"""Prefixes that parallel training, ``torch.compile``, Lightning and others put before all names of
weights."""

PUBLISHED = ("seed", "iter", "dataset_meta", "config", "run")
"""Keys of a training checkpoint's ``meta`` that a published file keeps."""

COUNTER = "num_batches_tracked"
"""A counter of batch normalisation: no output depends on it, and files from before PyTorch 0.4.1 lack it."""


def model_state(
    checkpoint: Mapping[str, Any],
    wanted: Collection[str] = (),
    rename: Callable[[str], str | None] = lambda name: name,
) -> dict[str, Tensor]:
    """Find a model's tensors in a checkpoint, under whatever key and behind whatever prefix of their names.

    Args:
        checkpoint: as :func:`~lednet_mm.checkpoints.reading.read_checkpoint` returns it.
        wanted: names of the model's tensors. Of all ways to read the file, the one that gives the most of
            these names is used, so that a prefix is removed only where the names then fit better. Empty if no
            model is at hand: then only prefixes of all names (``module.``, ``_orig_mod.``) are removed.
        rename: function from a name in the file to the model's name.

    Returns:
        The tensors by name; empty if the file has no weights under any known key.
    """
    groups = list(_groups(checkpoint))
    if wanted:
        names = set(wanted)
        readings = (reading for group in groups for reading in _readings(group))
        best = max(readings, key=lambda state: len(names & {rename(name) for name in state}), default={})
        if names & {rename(name) for name in best}:
            return best
    state = groups[0] if groups else {}
    for wrapper in ("module.", "_orig_mod.", "module."):
        if state and all(name.startswith(wrapper) for name in state):
            state = {name.removeprefix(wrapper): tensor for name, tensor in state.items()}
    return state


def _groups(content: Mapping[str, Any], depth: int = 3) -> Iterator[dict[str, Tensor]]:
    """Yield the groups of tensors that may be the weights, the likeliest first."""
    if depth:
        for key in WEIGHTS_UNDER:
            if isinstance(content.get(key), Mapping):
                yield from _groups(content[key], depth - 1)
    tensors = {
        name: value.detach()
        for name, value in content.items()
        if isinstance(name, str) and isinstance(value, Tensor)
    }
    if tensors:
        yield tensors


def _readings(group: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Yield the group with its names as they are, then with each known prefix removed."""
    yield group
    inner = {re.sub(r"(?<![^.])(?:module|_orig_mod)\.", "", name): t for name, t in group.items()}
    if len(inner) == len(group):
        yield inner
    prefixes: dict[str, None] = {}
    for name in group:
        parts = name.split(".")
        for i, part in enumerate(parts[:-1]):
            if part not in WRAPPERS:
                break
            prefixes[".".join(parts[: i + 1]) + "."] = None
    for prefix in sorted(prefixes, key=len):
        yield {n.removeprefix(prefix): t for n, t in group.items() if n.startswith(prefix)}


def weights_of(
    checkpoint: Mapping[str, Any],
    where: str | Path,
    wanted: Collection[str] = (),
    rename: Callable[[str], str | None] = lambda name: name,
) -> dict[str, Tensor]:
    """Return the model's tensors of a checkpoint, as :func:`model_state` does.

    Raises:
        InputError: there are no tensors, or some are not plain arrays of numbers.
    """
    state = model_state(checkpoint, wanted, rename)
    if not state:
        keys = show_names(checkpoint, 12) or "none"
        raise InputError(
            f"{where}: no tensors at the top of this file or under {', '.join(WEIGHTS_UNDER[:5])}, ...; "
            f"its keys are: {keys}"
        )
    for name, tensor in state.items():
        if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized:
            raise InputError(
                f"{where}: {one_line(name)} is not a plain tensor of numbers (sparse, quantised or empty)"
            )
    return state


def describe_not_finite(state: Mapping[str, Tensor]) -> str | None:
    """Return which weights are NaN or infinite; None if none is.

    This takes one reduction per tensor and one transfer from the device: 7 ms for the 545 tensors of LEDNet
    on one core, 5 ms for 50 tensors of 1 MB each.
    """
    floats = {name: t for name, t in state.items() if t.is_floating_point() and t.numel()}
    if not floats:
        return None
    extremes = torch.stack([edge.double() for t in floats.values() for edge in torch.aminmax(t.detach())])
    if torch.isfinite(extremes).all():
        return None
    counts = {name: int((~torch.isfinite(t)).sum()) for name, t in floats.items()}
    bad = [name for name, count in counts.items() if count]
    others = f", the first of {len(bad)} such tensors" if len(bad) > 1 else ""
    return f"{one_line(bad[0])} has {counts[bad[0]]:,} NaN or infinite values{others}"


def require_finite(state: Mapping[str, Tensor], where: str | Path) -> None:
    """Refuse weights that are NaN or infinite.

    Raises:
        InputError: the line names the first tensor, and how many there are.
    """
    if fault := describe_not_finite(state):
        raise InputError(f"{where}: unusable weights: {fault}; take an earlier checkpoint")


def load_model(
    model: nn.Module, path: str | Path, config: Config | Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Load a checkpoint into its model, strictly.

    A warning names the settings that matter when figures are compared, such as the dataset, and that differ
    between the config that the weights were trained under and the one in use.

    Args:
        model: the model to load the tensors into; half-precision tensors are converted to its precision.
        path: path of the checkpoint.
        config: config that the model is used under; it is compared with the checkpoint's own, if it has one.

    Returns:
        The whole checkpoint.

    Raises:
        InputError: the file is unreadable or of another network or variant, or its weights are not finite.
    """
    checkpoint = read_checkpoint(path)
    meta_of(checkpoint, path)
    if config is not None and (different := compare_with_config(checkpoint, config, path)):
        logging.getLogger(__name__).warning(f"warning: {describe_differences(path, different)}")
    load_state(model, weights_of(checkpoint, path, model.state_dict()), path)
    return checkpoint


def describe_differences(path: str | Path, different: Collection[str]) -> str:
    """Return the warning about keys that :func:`~lednet_mm.checkpoints.binding.compare_with_config` found."""
    return f"{path} was trained under another config, compare with care: {'; '.join(different)}"


def load_state(model: nn.Module, state: Mapping[str, Tensor], where: str | Path) -> None:
    """Load exactly a model's tensors into it, or raise an error and leave the model unchanged.

    Raises:
        InputError: a tensor is missing, left over, of another shape or type, or not finite; the message names
            ``where``.
    """
    require_fitting(model, state, where)
    require_finite(state, where)
    model.load_state_dict(dict(state), strict=False)  # counters of batch normalisation may be missing


def require_fitting(model: nn.Module, state: Mapping[str, Tensor], where: str | Path) -> None:
    """Check that tensors have the names, shapes and number types of a model's.

    Raises:
        InputError: a tensor is missing, left over, of another shape or type; the message names ``where``.
    """
    fit = Fit(model.state_dict(), state)
    faults = count_names(
        {
            "tensors missing": fit.missing,
            "tensors not in this network": fit.surplus,
            "tensors of another shape": fit.reshaped,
        }
    )
    if faults:
        raise InputError(
            f"{where}: a checkpoint of another network or number of classes: {'; '.join(faults)}"
        )


class Fit:
    """The comparison of a file's tensors with a model's.

    Args:
        ours: the model's tensors.
        theirs: the file's tensors.

    Attributes:
        fitting: the file's tensors that can be loaded into the model.
        missing: names that only the model has, except counters of batch normalisation.
        surplus: names that only the file has.
        reshaped: names that both have with different shapes or types of number.
    """

    def __init__(self, ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> None:
        common = sorted(ours.keys() & theirs.keys())
        self.reshaped = [n for n in common if not _alike(ours[n], theirs[n])]
        self.fitting = {n: theirs[n] for n in common if n not in set(self.reshaped)}
        self.missing = sorted(n for n in ours.keys() - theirs.keys() if not n.endswith(COUNTER))
        self.surplus = sorted(theirs.keys() - ours.keys())


def _alike(ours: Tensor, theirs: Tensor) -> bool:
    return ours.shape == theirs.shape and (theirs.is_floating_point() or not ours.is_floating_point())


def show_names(names: Collection[str], most: int = 2) -> str:
    """Return the first names of some tensors, for a message."""
    return shortened([one_line(name) for name in names], most)


def count_names(kinds: Mapping[str, Collection[str]], most: int = 2) -> list[str]:
    """Return, for each kind that has names, their number and the first of them."""
    return [f"{len(names)} {kind} ({show_names(names, most)})" for kind, names in kinds.items() if names]


def write_state(
    state: Mapping[str, Tensor], meta: Mapping[str, Any], target: str | Path, overwrite: bool = False
) -> None:
    """Write a file ``{"state_dict": ..., "meta": ...}`` atomically.

    Raises:
        InputError: the file exists with other content and ``overwrite`` is not set, or cannot be written.
    """
    buffer = io.BytesIO()
    torch.save({"state_dict": dict(state), "meta": dict(meta)}, buffer)
    try:
        write_output(target, buffer.getvalue(), overwrite=overwrite)
    except OSError as error:
        raise InputError(f"cannot write to {describe_os_error(error)}") from error


def publish_checkpoint(
    source: str | Path, target: str | Path, half: bool = True, overwrite: bool = False
) -> int:
    """Write what inference needs of a training checkpoint: weights and statistics, but no optimiser state.

    The file also keeps the config and the run that the weights come from, so that they can be compared
    wherever it is used.

    Args:
        source: a training checkpoint.
        target: the file to write ``{"state_dict": ..., "meta": ...}`` to; it is unchanged if an error is
            raised.
        half: whether to store weights as float16 (statistics of normalisations stay float32); loading
            converts them back.
        overwrite: whether an existing file with other content may be replaced.

    Returns:
        The number of tensors in the new file.

    Raises:
        InputError: a file cannot be read or written, or there are no tensors, or a weight is not finite or
            too large for float16.
    """
    check_outputs([target], [source], overwrite=True)
    checkpoint = read_checkpoint(source)
    known = meta_of(checkpoint, source)
    state = weights_of(checkpoint, source)
    require_finite(state, source)
    if half:
        for name, tensor in state.items():
            if tensor.is_floating_point() and "running_" not in name:
                state[name] = tensor.half()
                if not torch.isfinite(state[name]).all():
                    raise InputError(f"{source}: {name} does not fit into float16: publish it with --full")
    meta: dict[str, Any] = {key: known[key] for key in PUBLISHED if key in known}
    meta["source_sha256"] = file_sha256(source)
    write_state(state, meta, target, overwrite)
    return len(state)


def last_good_checkpoint(work_dir: str | Path) -> Path | None:
    """Return the latest training checkpoint that can be read and whose weights are finite, or None."""
    for path in checkpoints_of(work_dir):
        try:
            require_finite(weights_of(read_checkpoint(path), path), path)
        except InputError:
            continue
        return path
    return None
