"""Read configs, which are files in MMSegmentation's form, and report each mistake in one clear line."""

from __future__ import annotations

import copy
import difflib
import hashlib
import pprint
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config
from pydantic import ValidationError

from lednet_mm.catalog import (
    COMMON,
    PLANNED,
    dataset_files,
    file_of,
    network_files,
    option_files,
    recipe_files,
    variant_of,
)
from lednet_mm.config_files import bases_of, read_config_file
from lednet_mm.errors import InputError, describe_error, suggest
from lednet_mm.own_networks import import_own_network, is_own_network, read_own_network
from lednet_mm.records import Run, explain
from lednet_mm.text import DEFAULT, for_file_name, is_name, variant_name

WHERE = ("work_dir", "resume", "launcher")
"""Keys that say where and how a config is run, and are therefore not part of what it describes."""

EARLIER = "earlier_stage"
"""The key that names, or holds, the training from whose weights another one begins."""

RUNNER_ARGUMENTS = (
    *("model", "work_dir", "train_dataloader", "val_dataloader", "test_dataloader", "train_cfg", "val_cfg"),
    *("test_cfg", "auto_scale_lr", "optim_wrapper", "param_scheduler", "val_evaluator", "test_evaluator"),
    *("default_hooks", "custom_hooks", "data_preprocessor", "load_from", "resume", "launcher", "env_cfg"),
    *("log_processor", "log_level", "visualizer", "default_scope", "randomness", "experiment_name"),
)
"""The arguments of mmengine's ``Runner``, whose module would import PyTorch."""

READ = frozenset(
    set(RUNNER_ARGUMENTS)
    # Read by mmengine's Runner from the config itself.
    | {"activation_checkpointing", "compile", "custom_imports", "efficient_conv_bn_eval"}
    | {"find_unused_parameters", "model_wrapper_cfg", "runner_type", "sync_bn"}
    # What this project reads.
    | {"channels_last", "dataset", EARLIER, "network", "network_file", "recipe", "study", "tf32"}
    | {"trial"}
    | {"tta_model", "tta_pipeline", "variant"}
)
"""Keys at the top of a config that are read. Any other key is only a variable of the config file."""

COMPLETING = frozenset(
    {"class_weight", "crop_size", "epochs", "iterations", "num_classes", "train_images", "unit", "val_epochs"}
    | {"val_interval", "median_weight", "augmentation", "batch_size", "crop_share", "further_augmentation"}
    | {"loss", "optimizer", "weighting", "encoder_weight", "train_on", "val_images"}
)
"""Keys of datasets and recipes that :func:`complete` reads, before options apply."""

MERGED = ("default_hooks", "env_cfg", "model", "optim_wrapper", "train_cfg", "train_dataloader")
"""Sections of a config that an option of a recipe adds to; it replaces all others."""

FIRST_STEPS = ("Seed", "Load", "Resize", "RandomResize", "RandomChoiceResize")
"""Beginnings of the names of transforms after which :func:`complete` inserts further augmentation."""

READ_BELOW = {
    "auto_scale_lr": ("base_batch_size", "enable"),
    "env_cfg": ("cudnn_benchmark", "dist_cfg", "mp_cfg", "resource_limit"),
}
"""The keys that are read in sections from which no object is built, where nothing else would refuse a key."""

DICTS = (
    *("auto_scale_lr", "data_preprocessor", "default_hooks", "env_cfg", "log_processor", "model"),
    *("model_wrapper_cfg", "optim_wrapper", "randomness", "test_cfg", "test_dataloader", "train_cfg"),
    *("train_dataloader", "tta_model", "val_cfg", "val_dataloader", "visualizer"),
)
LISTS = ("custom_hooks", "tta_pipeline")

PARTS = ("backbone", "neck", "decode_head", "auxiliary_head")
"""Parts of a model that make up its network."""
SAME_VARIANT = ("loss_decode", "init_cfg", "pretrained", "sampler", "ignore_index", "num_classes")
"""Keys of these parts that only concern their training or the classes, and so do not make a new variant."""


@dataclass(frozen=True)
class Choice:
    """A config as a command or a study names it.

    Attributes:
        source: a config file, the name of a network, or the file of a network of the user's own.
        dataset: name of a dataset, or a dataset's YAML file; None with a config file.
        recipe: name of a recipe, with ``+`` before the name of each of its options (``common+focal+swa``);
            None with a config file, else the common one.
        variant: name of one of the network's variants; None leaves it as it is.
    """

    source: str
    dataset: str | None = None
    recipe: str | None = None
    variant: str | None = None

    @property
    def is_own_network(self) -> bool:
        """Whether the source is the file of a network of the user's own."""
        return is_own_network(self.source)

    @property
    def is_file(self) -> bool:
        """Whether the source is a config file, and not a network."""
        named = self.source.endswith(".py") or "/" in self.source or Path(self.source).is_file()
        return named and not self.is_own_network

    @property
    def name(self) -> str:
        """The name of the config where one is needed, for example in paths.

        The config of a run that a study has planned is named after the run's folder.
        """
        file = Path(self.source).absolute()
        name = file.parents[1].name if file.match(str(PLANNED)) else file.stem
        parts = [name, self.dataset and Path(self.dataset).stem]
        parts += [self.recipe if self.recipe != COMMON else None]
        parts += [self.variant if self.variant != DEFAULT else None]
        return for_file_name("_".join(filter(None, parts)))

    @property
    def recipe_parts(self) -> list[str]:
        """The name of the recipe, and the names of its options."""
        return (self.recipe or COMMON).split("+")

    @property
    def files(self) -> list[Path]:
        """The files from which the config is read first; names to which no file belongs are left out."""
        if self.is_file:
            return [Path(self.source)]
        kinds = (
            (network_files(), self.source),
            (dataset_files(), self.dataset),
            (recipe_files(), self.recipe_parts[0]),
        )
        own = [Path(self.source)] if self.is_own_network else []
        own += [path for name, path in option_files().items() if name in self.recipe_parts[1:]]
        own += [Path(self.dataset)] if self.dataset and is_card(self.dataset) else []
        return [*own, *(files[name] for files, name in kinds if name in files)]

    def __str__(self) -> str:
        return self.source if self.is_file else self.name


def load_config(
    choice: str | Path | Choice,
    options: Mapping | None = None,
    seed: int | None = None,
    *,
    imports: bool = True,
) -> Config:
    """Read a config file, or combine a network, a dataset and a recipe, and apply a variant and options.

    A recipe may begin from the weights of an earlier training (``earlier_stage``, see
    :func:`_earlier_stage`); the resolved config then holds the whole config of that training.

    Args:
        choice: the chosen config; texts and paths are config files.
        options: changes such as ``{"train_cfg.max_iters": 2}``, where dots reach into the config. Options
            that change the network make a variant, which is named after them unless one of the options is its
            name (``variant``).
        seed: the seed of everything random; None keeps that of the config.
        imports: whether the modules in the config's ``custom_imports`` are imported. This takes seconds, and
            is needed to build something from the config.

    Raises:
        InputError: a file or name does not exist, a file has an error, a key is misspelled, or an option does
            not fit or would not be read.
    """
    chosen = choice if isinstance(choice, Choice) else Choice(str(choice))
    return _load(chosen, options or {}, seed, imports)


def _load(
    chosen: Choice, options: Mapping, seed: int | None, imports: bool, is_earlier: bool = False
) -> Config:
    """Do what :func:`load_config` does.

    Args:
        chosen: what is named.
        options: as in :func:`load_config`.
        seed: as in :func:`load_config`.
        imports: as in :func:`load_config`.
        is_earlier: whether this is the earlier stage of a training for which the variant and the options are
            meant; what they change in a part that the recipe replaces is then left out.
    """
    config, replaced = (_read(chosen, imports), ()) if chosen.is_file else _combine(chosen, imports)
    theirs = tuple(f"{part}." for part in replaced) if is_earlier else ()
    path, known = str(chosen), READ | COMPLETING
    for key in config:
        # Short names are often variables. Names of eight letters or more rarely resemble a key by chance.
        meant = difflib.get_close_matches(key, known, 1, cutoff=0.9) if len(key) >= 8 else []
        if meant and key not in known and not key[-1].isdigit():
            raise InputError(f"{path}: nothing reads {key}: {meant[0]} is meant? Else give it another name")
    if "model" not in config:
        raise InputError(f"{path}: no model in this config (files in _base_ are parts, not configs)")
    complete(config)
    if chosen.variant not in (None, DEFAULT):
        network = chosen.source if chosen.is_own_network else run_of(config).network
        change = variant_of(network, chosen.variant).change
        kept = {key: value for key, value in change.items() if not key.startswith(theirs)}
        _merge(path, config, {**kept, "variant": chosen.variant})
    here = {k: v for k, v in options.items() if not str(k).startswith((f"{EARLIER}.", *theirs))}
    earlier = {k: v for k, v in options.items() if str(k).startswith(f"{EARLIER}.")}
    if earlier and not config.get(EARLIER):
        raise InputError(f"{path}: option {next(iter(earlier))}: this recipe has no earlier stage")
    for key in here:
        _check_option(path, config, str(key))
    if here:
        before = dict(keys_of(config)) if network_changes(here) else {}
        _merge(path, config, here)
        _name_variant(config, here, before)
    if seed is not None:
        config.randomness = {**config.get("randomness", {}), "seed": seed}
    for names, kind, kinds in ((DICTS, "dict(...)", dict), (LISTS, "list", (list, tuple))):
        for name in names:
            if config.get(name) is not None and not isinstance(config[name], kinds):
                raise InputError(f"{path}: {name} = {config[name]!r} is no {kind}")
    if (stage := config.get(EARLIER)) and "model" not in stage:
        config[EARLIER] = _earlier_stage(chosen, stage, here, seed, imports)
    if earlier:
        _merge(path, config, earlier)
    return config


def _earlier_stage(
    chosen: Choice, stage: Mapping[str, Any], options: Mapping, seed: int | None, imports: bool
) -> dict[str, Any]:
    """Return the whole config of the training from whose weights another one begins.

    It is a training of the same network, and the variant and the options hold for it too, except in parts
    that its recipe replaces. Options that begin with ``earlier_stage.`` are for it alone.

    Args:
        chosen: how the later training is named.
        stage: ``{"recipe": name, "dataset": name}``; without a dataset, that of the later training.
        options: options of the later training.
        seed: its seed.
        imports: as in :func:`load_config`.

    Raises:
        InputError: the later training is a config file, or something is wrong with the earlier one.
    """
    if chosen.is_file:
        raise InputError(
            f"{chosen}: {EARLIER} names a recipe, which goes with the name of a network: name one, --dataset "
            f"and --recipe instead of a file, or give {EARLIER} as a whole config"
        )
    if unknown := stage.keys() - {"recipe", "dataset"}:
        raise InputError(f"{chosen}: nothing reads {EARLIER}.{min(unknown)}: it has recipe and dataset")
    earlier = Choice(chosen.source, stage.get("dataset", chosen.dataset), stage.get("recipe"), chosen.variant)
    config = _load(earlier, options, seed, imports, is_earlier=True)
    return {key: value for key, value in config.to_dict().items() if key not in WHERE}


def _read(chosen: Choice, imports: bool) -> Config:
    path = Path(chosen.source)
    if chosen.dataset or chosen.recipe:
        raise InputError(
            f"{path}: a config file has its own dataset and recipe: name a network instead of it"
        )
    if not path.is_file():
        raise InputError(f"{path}: no such config; the ones that come with the project are in configs/")
    if is_card(chosen.source):
        raise InputError(f"{path}: a dataset's YAML file goes with a network: lednet --dataset {path}, say")
    if path.suffix != ".py":
        raise InputError(f"{path}: configs are Python files (.py); one in another format is not read")
    config = read_config_file(path, imports=imports)
    if imports and config.get("network_file"):
        import_own_network(Path(config.network_file))
    return config


def _combine(chosen: Choice, imports: bool) -> tuple[Config, tuple[str, ...]]:
    """Put a network, a dataset and a recipe together, as a file with these three in ``_base_`` does.

    The recipe may also change what the network and the dataset say, which such a file cannot: its mappings
    are merged into theirs.

    Returns:
        The config, and the dotted keys of the parts that the recipe puts in the place of the network's.
    """
    own = read_own_network(chosen.source) if chosen.is_own_network else None
    network = None if own else file_of("network", network_files(), chosen.source)
    if chosen.dataset is None:
        known = " or ".join(dataset_files())
        raise InputError(
            f"{chosen.source}: name a dataset too: --dataset {known}, or a dataset's YAML file; or give a "
            "config file"
        )
    name, *options = chosen.recipe_parts
    recipe = file_of("recipe", recipe_files(), name)
    with tempfile.TemporaryDirectory() as folder:
        if own:
            network = Path(folder) / "network.py"
            content = {"network": own.card.name, "network_file": str(own.path), "model": dict(own.model)}
            network.write_text(_as_text(content))
        dataset = _dataset_file(chosen.dataset)
        if is_card(dataset):
            card, dataset = dataset, Path(folder) / "dataset.py"
            dataset.write_text(config_text(_read_card(card)))
        path = Path(folder) / f"{chosen.name}.py"
        path.write_text(f"_base_ = {[str(network), str(dataset)]}\n")
        config = read_config_file(path, "the combination of network and dataset", name=chosen.name)
        changes = read_config_file(recipe, "the recipe", imports).to_dict()
    replaced = [key for key, value in keys_of(changes) if isinstance(value, dict) and "_delete_" in value]
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(config.get(key), dict):
            _merge(str(chosen), config, {key: value}, f"the recipe's {key}")
        else:
            config[key] = value
    _apply_options(chosen, config, options)
    if own and imports:
        import_own_network(own.path)
    text = f"_base_ = {[str(network), str(dataset), str(recipe)]}\n"
    return Config(config.to_dict(), cfg_text=text, filename=path.name), tuple(replaced)


def _apply_options(chosen: Choice, config: Config, options: Iterable[str]) -> None:
    """Change a config by the options of its recipe, in which lists are replaced and mappings are merged.

    Raises:
        InputError: there is no option of a name, or two of them set the same.
    """
    set_by: dict[str, str] = {}
    for option in options:
        content = read_config_file(file_of("option", option_files(), option), "the option").to_dict()
        for key, value in content.items():
            for place in [f"{key}.{part}" for part in value] if key in MERGED else [key]:
                if place in set_by:
                    raise InputError(
                        f"recipe {chosen.recipe}: {set_by[place]} and {option} both set {place}: take one of "
                        "them"
                    )
                set_by[place] = option
            if key in MERGED:
                _merge(str(chosen), config, {key: value})
            else:
                config[key] = value
    if set_by:
        config.recipe = chosen.recipe


def _dataset_file(name: str) -> Path:
    """Return the file of a dataset: a YAML file itself, or the file of a name."""
    return Path(name) if is_card(name) else file_of("dataset", dataset_files(), name)


def is_card(name: str | Path) -> bool:
    """Return whether a name is that of a dataset's YAML file, and not of a dataset."""
    return Path(name).suffix.lower() in (".yaml", ".yml")


def _read_card(path: str | Path) -> Config:
    from lednet_mm.datasets.card import config_of, read_card

    return Config(config_of(read_card(path)))


def load_data_config(choice: Choice, options: Mapping | None = None) -> Config:
    """Read the config of data: a config as in :func:`load_config`, or only a dataset.

    Args:
        choice: the chosen config; ``source`` may be the name of a dataset or its YAML file.
        options: options as in :func:`load_config`; a dataset by itself takes none.

    Raises:
        InputError: as in :func:`load_config`.
    """
    alone = is_card(choice.source) or choice.source in dataset_files()
    if not alone:
        return load_config(choice, options)
    if options or choice.dataset or choice.recipe or choice.variant:
        raise InputError(f"{choice.source}: options change a config, and this is a dataset: leave them out")
    file = _dataset_file(choice.source)
    return _read_card(file) if is_card(file) else read_config_file(file, "the dataset")


def _merge(path: str, config: Config, options: Mapping, what: str = "an option of --cfg-options") -> None:
    try:
        config.merge_from_dict(dict(options))
    except Exception as error:  # mmengine's assertions, type and index errors
        raise InputError(f"{path}: {what} does not fit: {describe_error(error)}") from error


def complete(config: Config) -> None:
    """Fill in the settings that follow from the dataset and the recipe, unless the config sets them itself.

    A :class:`~lednet_mm.networks.segmentor.Segmentor` gets ``num_classes``, ``class_weight`` and the
    preprocessing, whose size is the dataset's ``crop_size``, and the recipe's ``loss``. The training gets its
    length: the dataset's ``iterations`` and ``val_interval``, or what the recipe's ``epochs`` and
    ``val_epochs`` come to with the dataset's ``train_images``.

    These keys of a recipe change what the dataset or the recipe says elsewhere, and are removed, so that a
    resolved config says everything once:

    * ``batch_size``: number of images of a training batch.
    * ``weighting``: which of the dataset's weights become the class weights: ``"median"`` takes its
      ``median_weight``, ``"encoder"`` its ``encoder_weight``. Of several names, the first that it gives.
    * ``crop_share``: share of the crop size's sides that is cropped.
    * ``augmentation``: transforms that take the place of all between loading and packing; ``"crop"`` stands
      for the crop size in them.
    * ``further_augmentation``: transforms that follow loading and resizing.
    * ``optimizer``: takes the place of the recipe's and keeps its learning rate and weight decay.
    * ``train_on``: the splits whose images are training images, such as ``("train", "val")``.

    Raises:
        InputError: the recipe asks for what the dataset does not say.
    """
    if (optimizer := config.pop("optimizer", None)) is not None:
        before = config.optim_wrapper.optimizer
        kept = {key: before[key] for key in ("lr", "weight_decay") if key in before}
        config.optim_wrapper.optimizer = {**kept, **optimizer}
    _change_data(config)
    model, training = config.get("model"), config.get("train_cfg")
    if isinstance(model, dict) and model.get("type") == "Segmentor":
        for key in ("num_classes", "class_weight", "loss"):
            if key not in model and key in config:
                model[key] = config[key]
        if "data_preprocessor" not in model and "data_preprocessor" in config:
            model["data_preprocessor"] = copy.deepcopy(config.data_preprocessor)
        preparation = model.get("data_preprocessor")
        if isinstance(preparation, dict) and "crop_size" in config:
            preparation.setdefault("size", config.crop_size)
    if not isinstance(training, dict) or {"max_iters", "max_epochs"} & set(training):
        return
    iterations, interval = config.get("iterations"), config.get("val_interval")
    if "epochs" in config and "train_images" in config:
        batches = max(1, config.train_images // config.train_dataloader.batch_size)
        iterations = config.epochs * batches
        interval = config.get("val_epochs", 1) * batches
    if iterations is None or interval is None:
        return
    training.update(max_iters=iterations, val_interval=interval)
    checkpoint = config.get("default_hooks", {}).get("checkpoint")
    if checkpoint is not None:
        checkpoint.interval = max(interval, checkpoint.get("interval", 1))


def _change_data(config: Config) -> None:
    """Apply what a recipe says of the data, see :func:`complete`."""
    wanted = {
        key: config.pop(key, None)
        for key in ("batch_size", "weighting", "crop_share", "augmentation", "further_augmentation")
    }
    splits = config.pop("train_on", None)
    loader = config.get("train_dataloader")
    if not isinstance(loader, dict):
        return
    if wanted["weighting"] is not None:
        names = [wanted["weighting"]] if isinstance(wanted["weighting"], str) else wanted["weighting"]
        keys = [f"{name}_weight" for name in names]
        given = [config[key] for key in keys if config.get(key) is not None]
        if not given and "class" not in names:
            raise InputError(
                f"{config.filename}: the recipe weighs classes by {names[0]}, and the dataset has no "
                f"{keys[0]}: add it to the dataset's file (tools/check_dataset.py --weights {names[0]} "
                "prints it)"
            )
        config.class_weight = given[0] if given else None
    if wanted["batch_size"] is not None:
        loader["batch_size"] = wanted["batch_size"]
    if wanted["crop_share"] is not None:
        config.crop_size = tuple(int(wanted["crop_share"] * side) for side in config.crop_size)
    if wanted["augmentation"] or wanted["further_augmentation"]:
        for dataset in innermost(loader["dataset"]):
            steps = list(dataset.get("pipeline") or [])
            if wanted["augmentation"]:
                new = [_sized(step, config.crop_size) for step in wanted["augmentation"]]
                kept = [step for step in steps if str(step.get("type")).startswith(("Seed", "Load"))]
                steps = [*kept, *new, *(step for step in steps if str(step.get("type")).startswith("Pack"))]
            if wanted["further_augmentation"]:
                places = [
                    n for n, step in enumerate(steps, 1) if step.get("type", "").startswith(FIRST_STEPS)
                ]
                end = max(places, default=0)
                steps[end:end] = wanted["further_augmentation"]
            dataset["pipeline"] = copy.deepcopy(steps)
    if splits is not None:
        _train_on(config, splits)


def _sized(step: Mapping[str, Any], crop_size: Sequence[int]) -> dict[str, Any]:
    """Return a transform's config with the crop size where it says ``"crop"``, in the order that it takes."""
    height, width = crop_size
    sizes = {"crop_size": (height, width), "size": (width, height), "scale": (width, height)}
    return {key: sizes[key] if value == "crop" else value for key, value in step.items()}


def _train_on(config: Config, splits: Iterable[str]) -> None:
    """Let a training use the images of several splits, all with the augmentation of the training split."""
    pipeline = next(innermost(config.train_dataloader.dataset))["pipeline"]
    parts = [copy.deepcopy(config[f"{split}_dataloader"]["dataset"]) for split in splits]
    for part in parts:
        for dataset in innermost(part):
            dataset["pipeline"] = copy.deepcopy(pipeline)
    config.train_dataloader.dataset = {"type": "ConcatDataset", "datasets": parts}
    counts = [config.get(f"{split}_images") for split in splits]
    if None not in counts:
        config.train_images = sum(counts)


def network_changes(options: Mapping) -> list[str]:
    """Return the options that change the network; empty if the options also give the variant a name."""
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
    """Name a variant after the options that make it, so that no record has the name of another variant.

    Args:
        config: the config with the options applied.
        options: the options of the command line.
        before: every key of the config before the options were applied, with its value.
    """
    changes = [key for key in network_changes(options) if key not in before or before[key] != options[key]]
    if changes:
        parts = [f"{key.removeprefix('model.')}={options[key]}" for key in changes]
        changed = config.get("variant", DEFAULT)
        name = "+".join([changed, *parts])
        if not is_name(name):
            name = f"{changed}+{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        config.variant = name


def innermost(dataset: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the configs of the datasets that a wrapper repeats or joins; for a plain dataset, its config."""
    within = dataset.get("datasets") or ([dataset["dataset"]] if dataset.get("dataset") else [])
    if not within:
        yield dataset
    for part in within:
        yield from innermost(part)


def files_of(config: str | Path | Choice) -> list[Path]:
    """Return the files from which a config is read: the file itself, those in its ``_base_``, and so on.

    Nothing is executed. A file that is missing or not Python is listed too, without further files.
    """
    found: list[Path] = []
    waiting = config.files if isinstance(config, Choice) else [Path(config)]
    while waiting:
        file = waiting.pop(0)
        if file not in found:
            found.append(file)
            waiting += bases_of(file)
    return found


def _check_option(path: str | Path, config: Config, key: str) -> None:
    """Check that an option would change something.

    Raises:
        InputError: nothing reads the key, or only the config file itself has read it.
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
    """Yield every key of a config with its value; dots lead into dicts, and numbers are places in lists."""
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(content, (Mapping, Config)):
        items = content.items()
    elif isinstance(content, (list, tuple)):
        items = enumerate(content)
    for key, value in items:
        yield f"{prefix}{key}", value
        yield from keys_of(value, f"{prefix}{key}.")


def config_text(config: Config) -> str:
    """Return a resolved config as Python text, which does not depend on where or how it is run.

    Reading the text gives the same config, from which this function makes the same text again.
    """
    return _as_text({key: value for key, value in config.to_dict().items() if key not in WHERE})


def _as_text(content: Mapping[str, Any]) -> str:
    return "".join(
        f"{key} = {pprint.pformat(value, width=108, compact=True, sort_dicts=False)}\n"
        for key, value in content.items()
    )


# MMEngine formats its configs with a program for source code, which takes a third of a second, several
# times at the start of a run and once more with every checkpoint, and loses Ctrl-C meanwhile.
Config.pretty_text = property(lambda config: _as_text(config.to_dict()))


def run_of(config: Config, seed: int | None = None, study: str | None = None) -> Run:
    """Return the run that a config describes, from its ``network``, ``dataset``, ``variant`` and ``recipe``.

    A recipe other than the common one becomes part of the variant's name. A config without these keys, such
    as one of MMSegmentation's own, has the name of its file.

    Raises:
        InputError: one of them cannot be part of a path, or the seed is out of range.
    """
    stem = Path(config.filename or "config").stem
    variant, recipe = variant_name(config.get("variant", DEFAULT)), config.get("recipe", COMMON)
    if isinstance(variant, str) and isinstance(recipe, str) and recipe != COMMON:
        variant = recipe if variant == DEFAULT else f"{variant}+{recipe}"
    try:
        return Run(
            network=config.get("network", stem),
            dataset=config.get("dataset", "unnamed"),
            variant=variant,
            seed=seed,
            study=study or config.get("study"),
            trial=config.get("trial"),
        )
    except ValidationError as error:
        raise InputError(f"{config.filename or 'the config'}: {explain(error)}") from None
