"""MMEngine's own ways to load weights, all through this project's reader.

Importing this module takes their places: ``CheckpointLoader``, and with it ``load_checkpoint`` and
``init_cfg=dict(type="Pretrained")`` of every model, unpickle a file's code where this project's reader
refuses it; and a ``Pretrained`` none of whose names fit would train on from random weights.
"""

from __future__ import annotations

from typing import Any

from mmengine.model.weight_init import PretrainedInit, update_init_info
from mmengine.registry import WEIGHT_INITIALIZERS
from mmengine.runner import CheckpointLoader
from torch import nn

from lednet_mm.checkpoints.files import Fit, model_state, require_finite, show_names, weights_of
from lednet_mm.checkpoints.locations import COLLECTIONS, local_copy
from lednet_mm.checkpoints.reading import read_checkpoint
from lednet_mm.errors import InputError

PREFIXES = (
    "",
    "http://",
    "https://",
    *(f"{name}://" for name in COLLECTIONS),
    "pavi://",
    r"(\S+\:)?s3://",
    r"(\S+\:)?petrel://",
)
"""What mmengine tells the kinds of location by; the last three need software of their own and are refused."""


@CheckpointLoader.register_scheme(PREFIXES, force=True)
def load_from_location(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Read a checkpoint for mmengine, from wherever its loaders take one.

    Args:
        filename: a path or an address.
        map_location: where the tensors go.

    Returns:
        The checkpoint; weights that mmengine would not find are put under ``state_dict``.

    Raises:
        InputError: unreadable, no such location, or a file that would execute code on loading.
    """
    checkpoint = read_checkpoint(local_copy(filename), map_location)
    state = model_state(checkpoint)
    if filename.startswith("mmcls://"):
        state = {n.removeprefix("backbone."): t for n, t in state.items() if n.startswith("backbone.")}
        return {"state_dict": state}
    at_the_top = state and all(checkpoint.get(name) is not None for name in state)
    return state if at_the_top else {**checkpoint, "state_dict": state} if state else checkpoint


@WEIGHT_INITIALIZERS.register_module(name="Pretrained", force=True)
class StrictPretrained(PretrainedInit):
    """Initial weights from a file, which has to have every tensor that the module has.

    Tensors that the module has no place for, such as a classifier, are left out.

    Args:
        checkpoint: a path or an address.
        prefix: of the module's names in the file, ``backbone.``, say; None if they begin with the module's.
        map_location: where the file's tensors go.
    """

    def __call__(self, module: nn.Module) -> None:
        """Load the weights.

        Raises:
            InputError: the file is unreadable, or lacks a tensor of the module; the line says what both have.
        """
        prefix = f"{self.prefix.rstrip('.')}." if self.prefix else ""
        ours = module.state_dict()
        state = weights_of(
            load_from_location(self.checkpoint, self.map_location),
            self.checkpoint,
            [prefix + name for name in ours],
        )
        fit = Fit(ours, {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)})
        if faults := [*fit.missing, *fit.reshaped]:
            shapes = [f"{n} {tuple(ours[n].shape)}" if n in fit.reshaped else n for n in faults]
            elsewhere = [n for n in state if fit.missing and n.endswith(f".{fit.missing[0]}")]
            hint = (
                f"; with init_cfg.prefix={elsewhere[0].removesuffix(fit.missing[0])} they would be found"
                if elsewhere
                else "; to load what fits and leave the rest, train with --pretrained (load_from in a config)"
            )
            raise InputError(
                f"{self.checkpoint}: initial weights (init_cfg of type Pretrained) do not fit "
                f"{type(module).__name__}: {len(fit.fitting)} of its {len(ours)} tensors are there; it wants "
                f"{show_names(shapes)}, the file has {show_names(list(state))}{hint}"
            )
        require_finite(fit.fitting, self.checkpoint)
        module.load_state_dict(fit.fitting, strict=False)
        if hasattr(module, "_params_init_info"):
            update_init_info(module, init_info=f"Pretrained: loaded from {self.checkpoint}")
