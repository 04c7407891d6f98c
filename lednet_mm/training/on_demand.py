"""The generated streets, made where a training needs them and they are missing: that takes seconds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from lednet_mm.config import innermost

STREETS = "data/streets"
"""The folder of the generated streets, as the project's configs name it."""


def make_missing_streets(configs: Iterable[Mapping[str, Any]], say: Callable[[str], object]) -> None:
    """Generate the streets of default parameters if they are missing and a training reads them.

    Whatever lies there, a link or an empty folder too, is the user's and left to the check of the data. So is
    every other folder.

    Args:
        configs: of the trainings; none is looked at if the folder is there.
        say: gets one line if the set is generated.

    Raises:
        InputError: it cannot be written.
    """
    if os.path.lexists(STREETS) or not any(_reads_streets(config) for config in configs):
        return
    say(f"{STREETS} is missing: generating it, which takes seconds")
    import lednet_mm.register  # noqa: F401  (a study's own process has not imported PyTorch)
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
