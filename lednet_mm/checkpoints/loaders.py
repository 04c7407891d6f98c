"""Replace MMEngine's own ways to load weights by this project's reader.

Importing this module replaces them. MMEngine's ``CheckpointLoader``, and with it ``load_checkpoint`` and
``init_cfg=dict(type="Pretrained")`` of every model, would unpickle and so execute code in a file, which this
project's reader refuses. And MMEngine's ``Pretrained`` would train from random weights if no name fitted.
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
"""The prefixes by which mmengine tells kinds of location apart; the last three need extra software and are
refused."""


@CheckpointLoader.register_scheme(PREFIXES, force=True)
def load_from_location(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Read a checkpoint for mmengine, from wherever its loaders take one.

    Args:
        filename: a path or an address.
        map_location: device that the tensors are loaded to.

    Returns:
        The checkpoint; weights that mmengine would not find where they are have been moved to ``state_dict``.

    Raises:
        InputError: the location does not exist, or the file is unreadable or would execute code on loading.
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
    """Initial weights from a file that must have every tensor of the module.

    Tensors that the module does not have, such as those of a classifier, are ignored.

    Args:
        checkpoint: path or address of the file.
        prefix: prefix of the module's names in the file, such as ``backbone.``; None if there is none.
        map_location: device that the file's tensors are loaded to.
    """

    def __call__(self, module: nn.Module) -> None:
        """Load the weights.

        Raises:
            InputError: the file is unreadable or lacks a tensor of the module; the message shows names of
                both.
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
