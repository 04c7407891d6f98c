"""Find out which data a config's loaders read, whatever the loaders are called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from lednet_mm.config import innermost
from lednet_mm.text import is_name

PREPARATION = ("pipeline", "cache_dir", "test_mode", "serialize_data", "lazy_init", "max_refetch")
"""Arguments of a dataset that say how its samples are read, not which samples they are."""

EARLIER = {"train": (), "val": ("train",), "test": ("val", "train")}
"""Split -> the splits whose data its loader may read instead."""


def data_split(config: Config, split: str) -> str:
    """Return the split to which a loader's data belong.

    This is the ``split`` argument of the innermost datasets, or the name of another loader with the same
    data. The labels of Cityscapes' test split are not public, so ``test_dataloader`` often equals
    ``val_dataloader``; a result measured there must not be reported as one on the test split.

    Args:
        config: config with the loader.
        split: name of the loader, ``train``, ``val`` or ``test``; it is also the answer if there is no such
            loader.
    """
    loader = config.get(f"{split}_dataloader")
    if not loader:
        return split
    parts = list(innermost(loader["dataset"]))
    named = {part.get("split") for part in parts}
    name = named.pop() if len(named) == 1 else None
    if isinstance(name, str) and is_name(name):
        return name
    for other in EARLIER[split]:
        theirs = config.get(f"{other}_dataloader")
        if theirs and [_data(part) for part in innermost(theirs["dataset"])] == [
            _data(part) for part in parts
        ]:
            return other
    return split


def _data(dataset: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in dataset.items() if key not in PREPARATION}
