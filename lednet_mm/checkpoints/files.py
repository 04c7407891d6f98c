"""Checkpoint files: read without executing code from them, loaded strictly, written whole or not at all."""

from __future__ import annotations

import io
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lednet_mm.errors import InputError
from lednet_mm.files import file_sha256, write_atomically

OLD_FORMAT = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""What files written by PyTorch before 1.6, which are no zip archives, begin with."""


def read_checkpoint(path: str | Path, map_location: str | torch.device = "cpu") -> dict[str, Any]:
    """Read a checkpoint that holds tensors and plain values only.

    Args:
        path: a file written by PyTorch.
        map_location: where the tensors go.

    Raises:
        InputError: no such file, truncated, no checkpoint, or one that would execute code on loading.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such checkpoint")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the checkpoint is empty (0 bytes)")
    try:
        content = torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL (\S+)", str(error))
        with path.open("rb") as file:
            of_pytorch = zipfile.is_zipfile(path) or file.read(len(OLD_FORMAT)) == OLD_FORMAT
        if found and of_pytorch:
            raise InputError(
                f"{path}: refused: loading it would execute code ({found[1]}); "
                "ask for a file that holds only tensors and plain values"
            ) from None
        raise InputError(f"{path}: not a checkpoint, or a damaged one") from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError) as error:
        reason = str(error).split("\n")[0]
        raise InputError(f"{path}: truncated, or not a checkpoint ({reason})") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a {type(content).__name__}, not a checkpoint")
    return content


def model_state(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the model's tensors of a checkpoint, whatever they are kept under.

    ``state_dict`` (mmengine), ``model`` or nothing (authors' releases); a prefix ``module.`` of parallel
    training is dropped.
    """
    state: Any = checkpoint
    for key in ("state_dict", "model"):
        if isinstance(state.get(key), Mapping):
            state = state[key]
            break
    return {name.removeprefix("module."): value for name, value in state.items() if isinstance(value, Tensor)}


def load_model(model: nn.Module, path: str | Path) -> dict[str, Any]:
    """Load a checkpoint of this project into its model, strictly.

    Args:
        model: takes the tensors; half-precision files are widened.
        path: of the checkpoint.

    Returns:
        The whole checkpoint.

    Raises:
        InputError: unreadable, or of another network.
    """
    checkpoint = read_checkpoint(path)
    load_state(model, model_state(checkpoint), str(path))
    return checkpoint


def load_state(model: nn.Module, state: Mapping[str, Tensor], where: str) -> None:
    """Load tensors into a model, all of them and no others.

    Raises:
        InputError: a name missing, left over, or of another shape; the line names ``where``.
    """
    ours = model.state_dict()
    missing = sorted(ours.keys() - state.keys())
    surplus = sorted(state.keys() - ours.keys())
    reshaped = [n for n in sorted(ours.keys() & state.keys()) if ours[n].shape != state[n].shape]
    faults = []
    for names, fault in (
        (missing, "missing"),
        (surplus, "not in this network"),
        (reshaped, "of another shape"),
    ):
        if names:
            shown = ", ".join(names[:2]) + (", ..." if len(names) > 2 else "")
            faults.append(f"{len(names)} tensors {fault} ({shown})")
    if faults:
        raise InputError(
            f"{where}: a checkpoint of another network or number of classes: {'; '.join(faults)}"
        )
    model.load_state_dict(dict(state))


def read_state(path: str | Path, target: str | Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read a checkpoint whose tensors another file is to hold.

    Args:
        path: of the checkpoint.
        target: of the other file.

    Returns:
        The whole checkpoint, and its model's tensors.

    Raises:
        InputError: both are one file, the checkpoint is unreadable, or there is no tensor in it.
    """
    if Path(path).exists() and Path(target).exists() and Path(path).samefile(target):
        raise InputError(f"{target} is the checkpoint itself: give another name")
    checkpoint = read_checkpoint(path)
    state = model_state(checkpoint)
    if not state:
        raise InputError(f"{path}: no tensors under 'state_dict', 'model' or at the top of this file")
    return checkpoint, state


def write_state(state: Mapping[str, Tensor], meta: Mapping[str, Any], target: str | Path) -> None:
    """Write ``{"state_dict": ..., "meta": ...}``, whole or not at all.

    Raises:
        InputError: the file cannot be written.
    """
    buffer = io.BytesIO()
    torch.save({"state_dict": dict(state), "meta": dict(meta)}, buffer)
    try:
        write_atomically(Path(target), buffer.getvalue())
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror}") from error


def publish_checkpoint(source: str | Path, target: str | Path, half: bool = True) -> int:
    """Write the part of a training checkpoint that a network needs: weights and statistics, no optimizer.

    Args:
        source: a checkpoint of a training.
        target: gets ``{"state_dict": ..., "meta": ...}``, or stays as it was.
        half: keep weights as float16; statistics of normalisations stay float32. Loading widens them.

    Returns:
        How many tensors the new file holds.

    Raises:
        InputError: unreadable or unwritable, without tensors, or a weight too large for float16.
    """
    checkpoint, state = read_state(source, target)
    if half:
        for name, tensor in state.items():
            if tensor.is_floating_point() and "running_" not in name:
                state[name] = tensor.half()
                if not torch.isfinite(state[name]).all():
                    raise InputError(f"{source}: {name} does not fit into float16: publish it with --full")
    known = checkpoint.get("meta") or {}
    meta = {key: known[key] for key in ("seed", "iter", "dataset_meta") if key in known}
    write_state(state, {**meta, "source_sha256": file_sha256(source)}, target)
    return len(state)


def checkpoints_of(work_dir: str | Path) -> list[Path]:
    """Return the training checkpoints in a work folder, newest first."""
    found = []
    for path in Path(work_dir).glob("*_*.pth"):
        step = re.fullmatch(r"(?:iter|epoch)_(\d+)\.pth", path.name)
        if step:
            found.append((int(step[1]), path))
    return [path for _, path in sorted(found, reverse=True)]
