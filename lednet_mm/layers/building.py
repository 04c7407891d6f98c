"""Build norms and activations from mmcv's configs."""

from __future__ import annotations

from mmcv.cnn import build_activation_layer, build_norm_layer
from torch import nn

Config = dict | None
Size = int | tuple[int, int]


def pair(size: Size) -> tuple[int, int]:
    """Turn one number into (height, width); a pair stays as it is."""
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def make_norm(norm_cfg: Config, channels: int) -> nn.Module:
    """Build a normalisation layer for ``channels`` maps; None gives the identity."""
    return nn.Identity() if norm_cfg is None else build_norm_layer(norm_cfg, channels)[1]


def make_activation(act_cfg: Config, channels: int) -> nn.Module:
    """Build a new activation, never shared between layers; None gives the identity.

    A PReLU gets one slope per channel, as in the papers of this field, unless ``num_parameters`` is given.
    """
    if act_cfg is None:
        return nn.Identity()
    if act_cfg["type"] == "PReLU":
        return build_activation_layer({"num_parameters": channels, **act_cfg})
    return build_activation_layer(dict(act_cfg))
