"""Reading configs: MMSegmentation's files, with one clear line for what is wrong."""

from __future__ import annotations

import ast
import difflib
import hashlib
import pprint
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from pydantic import ValidationError

from lednet_mm.errors import InputError, describe_error, suggest
from lednet_mm.records import Run, explain
from lednet_mm.text import is_name

WHERE = ("work_dir", "resume", "launcher")
"""Keys that say where and how a config is run; they are no part of it."""

RUNNER_ARGUMENTS = (
    *("model", "work_dir", "train_dataloader", "val_dataloader", "test_dataloader", "train_cfg", "val_cfg"),
    *("test_cfg", "auto_scale_lr", "optim_wrapper", "param_scheduler", "val_evaluator", "test_evaluator"),
    *("default_hooks", "custom_hooks", "data_preprocessor", "load_from", "resume", "launcher", "env_cfg"),
    *("log_processor", "log_level", "visualizer", "default_scope", "randomness", "experiment_name"),
)
"""The arguments of mmengine's ``Runner``, whose module would import PyTorch."""

READ = frozenset(
    set(RUNNER_ARGUMENTS)
    # What mmengine's Runner reads of the config itself.
    | {"activation_checkpointing", "compile", "custom_imports", "efficient_conv_bn_eval"}
    | {"find_unused_parameters", "model_wrapper_cfg", "runner_type", "sync_bn"}
    # What this project reads.
    | {"channels_last", "dataset", "network", "study", "tta_model", "tta_pipeline", "variant"}
)
"""Keys at the top of a config that somebody reads. Any other is a variable of the config file alone."""

READ_BELOW = {
    "auto_scale_lr": ("base_batch_size", "enable"),
    "env_cfg": ("cudnn_benchmark", "dist_cfg", "mp_cfg", "resource_limit"),
}
"""What is read of sections from which no object is built, so that nothing else refuses a wrong key."""

DICTS = (
    *("auto_scale_lr", "data_preprocessor", "default_hooks", "env_cfg", "log_processor", "model"),
    *("model_wrapper_cfg", "optim_wrapper", "randomness", "test_cfg", "test_dataloader", "train_cfg"),
    *("train_dataloader", "tta_model", "val_cfg", "val_dataloader", "visualizer"),
)
LISTS = ("custom_hooks", "tta_pipeline")

PARTS = ("backbone", "neck", "decode_head", "auxiliary_head")
"""Parts of a model that make up its network."""
SAME_VARIANT = ("loss_decode", "init_cfg", "pretrained", "sampler", "ignore_index", "num_classes")
"""Keys of these parts that say how they are trained, or on which classes, and so make no other variant."""


def load_config(
    path: str | Path, options: Mapping | None = None, seed: int | None = None, *, imports: bool = True
) -> Config:
    """Read a config file and apply options of the command line.

    Args:
        path: a Python config as MMSegmentation's.
        options: ``{"train_cfg.max_iters": 2}``; keys with dots reach into the config. Those that change the
            network make a variant, which is named after them unless they give it a name (``variant``).
        seed: of everything random; None keeps the config's.
        imports: whether the modules that the config names in ``custom_imports`` are imported, which takes
            seconds and is needed where something is built from it.

    Raises:
        InputError: no such file, an error in it, a misspelled key, or an option that does not fit or that
            nothing would read.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such config; the ones that come with the project are in configs/")
    if Path(path).suffix != ".py":
        raise InputError(f"{path}: configs are Python files (.py); one in YAML or JSON is not read")
    try:
        config = Config.fromfile(str(path), import_custom_modules=imports)
    except (Exception, SystemExit) as error:  # a config is code: anything may come out of it
        raise InputError(f"{path}: the config cannot be read: {describe_error(error)}") from error
    for key in config:
        # Short names are often a variable's own; those of eight letters and more rarely resemble by chance.
        meant = difflib.get_close_matches(key, READ, 1, cutoff=0.9) if len(key) >= 8 else []
        if meant and key not in READ and not key[-1].isdigit():
            raise InputError(f"{path}: nothing reads {key}: {meant[0]} is meant? Else give it another name")
    for key in options or ():
        _check_option(path, config, str(key))
    if options:
        before = dict(keys_of(config)) if network_changes(options) else {}
        try:
            config.merge_from_dict(dict(options))
        except Exception as error:  # mmengine's assertions, type and index errors
            raise InputError(
                f"{path}: an option of --cfg-options does not fit: {describe_error(error)}"
            ) from error
        _name_variant(config, options, before)
    if "model" not in config:
        raise InputError(f"{path}: no model in this config (files in _base_ are parts, not configs)")
    if seed is not None:
        config.randomness = {**config.get("randomness", {}), "seed": seed}
    for names, kind, kinds in ((DICTS, "dict(...)", dict), (LISTS, "list", (list, tuple))):
        for name in names:
            if config.get(name) is not None and not isinstance(config[name], kinds):
                raise InputError(f"{path}: {name} = {config[name]!r} is no {kind}")
    return config


def network_changes(options: Mapping) -> list[str]:
    """Return those keys of options that change the network, unless the options give it a name themselves."""
    if {"variant", "network"} & set(options):
        return []
    return [
        key
        for key in map(str, options)
        if key.split(".")[0] == "model"
        and set(key.split(".")[1:2]) & set(PARTS)
        and not set(key.split(".")) & set(SAME_VARIANT)
    ]


def _name_variant(config: Config, options: Mapping, before: Mapping) -> None:
    """Name a variant after the options that make it, as no record may call it by the name of another.

    Args:
        config: with the options.
        options: those of the command line.
        before: every key of the config without them, and its value.
    """
    changes = [key for key in network_changes(options) if key not in before or before[key] != options[key]]
    if changes:
        parts = [f"{key.removeprefix('model.')}={options[key]}" for key in changes]
        name = "+".join([config.get("variant", "baseline"), *parts])
        if not is_name(name):
            name = f"{config.get('variant', 'baseline')}+{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        config.variant = name


def innermost(dataset: Mapping[str, Any]) -> Iterator[Any]:
    """Go through the datasets within a dataset's config: those that wrappers repeat or join, or itself."""
    within = dataset.get("datasets") or ([dataset["dataset"]] if dataset.get("dataset") else [])
    if not within:
        yield dataset
    for part in within:
        yield from innermost(part)


def files_of(path: str | Path) -> list[Path]:
    """Return the files that a config is read from: itself and what it names in ``_base_``, and those in turn.

    Nothing is executed. A file that is missing or no Python stands for itself alone.
    """
    found: list[Path] = []
    waiting = [Path(path)]
    while waiting:
        file = waiting.pop(0)
        if file in found:
            continue
        found.append(file)
        try:
            content = ast.parse(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, SyntaxError):
            continue
        for node in ast.walk(content):
            if isinstance(node, ast.ImportFrom) and node.level and node.module:  # within read_base()
                waiting.append(file.absolute().parents[node.level - 1].joinpath(*node.module.split(".")))
                waiting[-1] = waiting[-1].with_suffix(".py")
            elif isinstance(node, ast.Assign) and any(
                isinstance(target, ast.Name) and target.id == "_base_" for target in node.targets
            ):
                names = [part.value for part in ast.walk(node.value) if isinstance(part, ast.Constant)]
                for name in names:
                    if isinstance(name, str):  # mmengine puts the folder where a file says fileDirname
                        name = re.sub(r"^\{\{\s*fileDirname\s*\}\}/", "", name)
                        waiting.append((file.parent / name).resolve())
    return found


def _check_option(path: str | Path, config: Config, key: str) -> None:
    """Refuse an option that changes nothing.

    Raises:
        InputError: nothing reads the key, or only the config file itself did.
    """
    name, *below = key.split(".")
    if name in READ:
        wanted = READ_BELOW.get(name)
        if below and wanted and below[0] not in wanted:
            raise InputError(f"{path}: option {key}: nothing reads it{suggest(below[0], wanted)}")
        return
    if name not in config:
        raise InputError(f"{path}: option {key}: nothing reads {name}{suggest(name, READ)}")
    read = [(place, value) for place, value in keys_of(config) if place.split(".")[0] in READ]
    named = [place for place, _ in read if place.split(".")[-1] == name]
    used = named or [place for place, value in read if value == config[name]]
    where = f": set {', '.join(used[:3])}" if used else ""
    raise InputError(
        f"{path}: option {key}: {name} is a variable of the config file, which has been used before options "
        f"apply{where}"
    )


def keys_of(content: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Go through a config: every key with its dots, numbers standing for places in lists, and its value."""
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(content, (Mapping, Config)):
        items = content.items()
    elif isinstance(content, (list, tuple)):
        items = enumerate(content)
    for key, value in items:
        yield f"{prefix}{key}", value
        yield from keys_of(value, f"{prefix}{key}.")


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
