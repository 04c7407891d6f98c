"""Which data a config's loaders hold, whatever the loaders are called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from lednet_mm.config import innermost
from lednet_mm.text import is_name

PREPARATION = ("pipeline", "cache_dir", "test_mode", "serialize_data", "lazy_init", "max_refetch")
"""Arguments of a dataset that say how its samples are read, not which they are."""

EARLIER = {"val": ("train",), "test": ("val", "train")}
"""Split -> the splits that its loader may repeat."""


def data_split(config: Config, split: str) -> str:
    """Return the split that a loader's data are of.

    That is the ``split`` which the innermost datasets are given, or the other loader that has the same data.
    Cityscapes' labels of its test split are not public, so ``test_dataloader`` often is ``val_dataloader``:
    what is measured there is no result on the test split.

    Args:
        config: with the loader.
        split: ``val`` or ``test``, as the loader is called; without such a loader, this is the answer.
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
