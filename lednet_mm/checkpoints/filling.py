"""The rule by which the reference vectors fill tensors."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lednet_mm.errors import InputError

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""The kinds of tensors that are no parameters, which are also their names in a normalisation."""


def fill(name: str, shape: Sequence[int], kind: str, salt: str) -> Tensor:
    """Make a tensor by the vectors' fill rule "v1".

    Args:
        name: the authors' name of the tensor, or ``input``, ``r``, ``r1`` ...
        shape: shape of the tensor.
        kind: kind of tensor as in the vector's ``state``, or ``input`` for standard normal values.
        salt: the vector's salt, which is hashed with the name.

    Returns:
        A float64 tensor (int64 for ``num_batches_tracked``).

    Raises:
        InputError: the rule does not know the kind.
    """
    if kind == "num_batches_tracked":
        return torch.zeros(tuple(shape), dtype=torch.int64)
    seed = zlib.crc32(f"{salt}:{name}".encode()) & 0xFFFFFFFF
    z = np.random.RandomState(seed).standard_normal(tuple(shape))
    if kind in ("conv", "linear"):
        z = z * math.sqrt(2 / math.prod(shape[1:]))
    elif kind in ("bias", "norm_bias", "running_mean", "free"):
        z = 0.1 * z
    elif kind == "norm_weight":
        z = 1 + 0.1 * z
    elif kind == "running_var":
        z = 1 + 0.2 * np.abs(z)
    elif kind == "prelu":
        z = 0.25 + 0.1 * z
    elif kind != "input":
        raise InputError(f"tensor {name}: the fill rule has no kind {kind!r}")
    return torch.from_numpy(np.asarray(z))
