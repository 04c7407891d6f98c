"""Generate the streets dataset when a training needs it and it is missing, which takes seconds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from lednet_mm.config import innermost

STREETS = "data/streets"
"""Folder of the generated streets dataset in the project's configs."""


def make_missing_streets(configs: Iterable[Mapping[str, Any]], say: Callable[[str], object]) -> None:
    """Generate the streets dataset with default parameters if it is missing and a training reads it.

    Anything that already exists there, even a link or an empty folder, belongs to the user and is left to the
    check of the data. So are all other folders.

    Args:
        configs: configs of the trainings; none of them is read if the folder exists.
        say: function that prints a line; it is called if the dataset is generated.

    Raises:
        InputError: the dataset cannot be written.
    """
    if os.path.lexists(STREETS) or not any(_reads_streets(config) for config in configs):
        return
    say(f"{STREETS} is missing: generating it, which takes seconds")
    import lednet_mm.register  # noqa: F401  (a study's main process has not imported PyTorch)
    from lednet_mm.datasets.streets import generate_streets

    generate_streets(STREETS)


def _reads_streets(config: Mapping[str, Any]) -> bool:
    loaders = [config.get(f"{split}_dataloader") or {} for split in ("train", "val", "test")]
    return any(
        part.get("type") == "StreetsDataset" and Path(part.get("data_root", STREETS)) == Path(STREETS)
        for loader in loaders
        if loader.get("dataset")
        for part in innermost(loader["dataset"])
    )
