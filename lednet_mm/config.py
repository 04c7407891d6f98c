"""Reading configs: MMSegmentation's files, with one clear line for what is wrong."""

from __future__ import annotations

import pprint
from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config
from pydantic import ValidationError

from lednet_mm.errors import InputError
from lednet_mm.records import Run, explain

WHERE = ("work_dir", "resume", "launcher")
"""Keys that say where and how a config is run; they are no part of it."""


def load_config(path: str | Path, options: Mapping | None = None, seed: int | None = None) -> Config:
    """Read a config file and apply options of the command line.

    Args:
        path: a Python config as MMSegmentation's.
        options: ``{"train_cfg.max_iters": 2}``; keys with dots reach into the config.
        seed: of everything random; None keeps the config's.

    Raises:
        InputError: no such file, an error in it, or an option that does not fit.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such config; the ones that come with the project are in configs/")
    try:
        config = Config.fromfile(str(path))
    except Exception as error:  # a config is code: anything may come out of it
        raise InputError(f"{path}: the config cannot be read: {type(error).__name__}: {error}") from error
    if options:
        try:
            config.merge_from_dict(dict(options))
        except (KeyError, TypeError, AssertionError, IndexError) as error:
            raise InputError(f"{path}: an option of --cfg-options does not fit: {error}") from error
    if "model" not in config:
        raise InputError(f"{path}: no model in this config (files in _base_ are parts, not configs)")
    if seed is not None:
        config.randomness = {**config.get("randomness", {}), "seed": seed}
    return config


def config_text(config: Config) -> str:
    """Return a resolved config as Python text, the same wherever and however it is run.

    Reading it back gives the same config and the same text.
    """
    content = {key: value for key, value in config.to_dict().items() if key not in WHERE}
    return "".join(
        f"{key} = {pprint.pformat(value, width=108, compact=True, sort_dicts=False)}\n"
        for key, value in content.items()
    )


def run_of(config: Config, seed: int | None = None, study: str | None = None) -> Run:
    """Return which run a config describes, from its ``network``, ``dataset`` and ``variant``.

    A config without them (MMSegmentation's own, say) is named by its file.

    Raises:
        InputError: one of them is no name, which becomes part of paths; or the seed is out of range.
    """
    stem = Path(config.filename or "config").stem
    try:
        return Run(
            network=config.get("network", stem),
            dataset=config.get("dataset", "unnamed"),
            variant=config.get("variant", "baseline"),
            seed=seed,
            study=study or config.get("study"),
        )
    except ValidationError as error:
        raise InputError(f"{config.filename or 'the config'}: {explain(error)}") from None
