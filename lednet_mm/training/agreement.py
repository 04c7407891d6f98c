"""Compare what a config asks for with what would happen, before a run starts.

MMSegmentation states the number of classes in five places (dataset, heads, losses, class weights, metric) and
compares none of them. A run with too many outputs trains to its end, and its score then means something else.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import OPTIMIZERS
from mmseg.models.decode_heads import STDCHead
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import nn

from lednet_mm.errors import InputError, suggest
from lednet_mm.networks.losses import PixelLoss
from lednet_mm.training.hooks import RecordHook, SeedHook
from lednet_mm.training.loops import EpochLoop
from lednet_mm.upstream.mmengine import bare

NEVER = -1
"""MMEngine's value of an interval for something that never happens."""

WHOLE_NUMBERS: dict[str, tuple[int, int | None]] = {
    **{f"train_cfg.{key}": (1, None) for key in ("max_iters", "max_epochs", "val_interval")},
    **{f"{split}_dataloader.batch_size": (1, None) for split in ("train", "val", "test")},
    **{f"{split}_dataloader.num_workers": (0, None) for split in ("train", "val", "test")},
    "default_hooks.logger.interval": (1, None),
    "default_hooks.checkpoint.interval": (1, NEVER),
    "default_hooks.checkpoint.max_keep_ckpts": (1, NEVER),
    "optim_wrapper.accumulative_counts": (1, None),
    "randomness.seed": (0, None),
}
"""The least value of each setting that is a whole number, and a smaller value that has a special meaning."""

NUMBERS = ("optim_wrapper.optimizer.lr", "optim_wrapper.optimizer.weight_decay")
"""Settings that are numbers of at least 0."""

KNOWN_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

LARGEST_SEED = 2**32 - 1

WANTED_HOOKS: dict[type[Hook], str] = {
    SeedHook: "a resumed run will not be exact",
    RecordHook: "no records will be written",
}
"""Hooks that a user expects in a run, and the message about what is missing without each of them."""


def check_settings(config: Config) -> None:
    """Check settings of a config before anything is built from it.

    Raises:
        InputError: a number is missing or too small, a level or an optimiser is unknown, checkpoints would be
            written elsewhere or between two steps of the optimiser, or a loader names no dataset or sampler.
    """
    for key, (least, special) in WHOLE_NUMBERS.items():
        value = _value(config, key)
        if value is None or (special is not None and value == special):
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            never = f", or {special} for never" if special is not None else ""
            raise _refusal(config, f"{key} = {value!r}: give a whole number of at least {least}{never}")
        if key == "randomness.seed" and value > LARGEST_SEED:
            raise _refusal(config, f"{key} = {value}: give a whole number of at most {LARGEST_SEED}")
    for key in NUMBERS:
        value = _value(config, key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise _refusal(config, f"{key} = {value!r} is not a number")
        if value is not None and not 0 <= value < math.inf:
            raise _refusal(config, f"{key} = {value}: give a number of at least 0")
    level = config.get("log_level")
    if level is not None and level not in KNOWN_LEVELS and type(level) is not int:
        raise _refusal(config, f"log_level = {level!r}: give one of {', '.join(KNOWN_LEVELS)}")
    optimizer = _value(config, "optim_wrapper.optimizer.type")
    if isinstance(optimizer, str) and OPTIMIZERS.get(optimizer) is None:  # MMEngine goes on with None
        near = suggest(optimizer, OPTIMIZERS.module_dict)
        raise _refusal(config, f"optim_wrapper.optimizer.type: there is no optimiser named {optimizer}{near}")
    if (folder := _value(config, "default_hooks.checkpoint.out_dir")) is not None:
        raise _refusal(
            config,
            f"default_hooks.checkpoint.out_dir = {folder!r}: --resume looks for checkpoints in the work "
            "folder alone: leave it out, and choose the folder with --work-dir",
        )
    if not _value(config, "default_hooks.checkpoint.by_epoch"):
        _check_accumulation(config, 1)
    for split in ("train", "val"):
        loader = config.get(f"{split}_dataloader")
        for part in ("dataset", "sampler") if loader else ():
            if not isinstance(loader.get(part), dict) and not loader.get("batch_sampler"):
                raise _refusal(config, f"{split}_dataloader.{part} is not a dict(type=...)")


def _check_accumulation(config: Config, iterations: int) -> None:
    """Refuse checkpoints between two steps of the optimiser: they do not hold the gradients added up so far.

    Args:
        config: config of the training.
        iterations: number of iterations in one unit of the checkpoint interval.

    Raises:
        InputError: the interval, or its beginning, is not a multiple of ``accumulative_counts``.
    """
    count = _value(config, "optim_wrapper.accumulative_counts") or 1
    for key in ("interval", "save_begin"):
        value = _value(config, f"default_hooks.checkpoint.{key}")
        if value is not None and value != NEVER and value * iterations % count:
            unit = f" epochs of {iterations} iterations each" if iterations > 1 else ""
            raise _refusal(
                config,
                f"default_hooks.checkpoint.{key} = {value}{unit} is not a multiple of "
                f"optim_wrapper.accumulative_counts = {count}: a checkpoint keeps no gradients that are "
                "still being added up, so a resumed run would not be exact",
            )


def _value(config: Config, key: str) -> Any:
    found: Any = config
    for part in key.split("."):
        if not hasattr(found, "get"):
            return None
        found = found.get(part)
    return found


def _refusal(config: Config, reason: str) -> InputError:
    return InputError(f"{config.filename}: {reason}")


def check_agreement(runner: Any) -> None:
    """Compare the dataset, heads, losses, class weights, metric and schedule of a run that has been built.

    Settings that are only doubtful are logged as warnings.

    Args:
        runner: runner whose loops have been built.

    Raises:
        InputError: settings contradict each other; one line names all contradictions.
    """
    faults: list[str] = []
    doubts: list[str] = []
    model = bare(runner.model)
    train_set = runner.train_dataloader.dataset
    val_set = runner.val_loop.dataloader.dataset if runner.val_loop is not None else None
    for name, dataset in (("train", train_set), ("val", val_set)):
        if dataset is not None and len(dataset) == 0:
            faults.append(f"{name}_dataloader: this dataset has no images")
    if len(runner.train_dataloader) == 0:
        faults.append("train_dataloader: with so few images, drop_last leaves no batch")
    if val_set is not None:
        faults += _differing_sets(train_set, val_set)
        places = {_place(one) for one in members(val_set)} - {None}
        if any(_place(one) in places for one in members(train_set)):
            doubts.append("the images of val are training images too: their accuracy says nothing of others")
    classes = _classes(train_set)
    if classes is not None:
        outputs = _evaluated_outputs(runner.cfg)
        for name, head in _heads(model):
            faults += _head_faults(name, head, len(classes), outputs)
    for name, head in _heads(model):
        doubts += _ignored(name, head, model, runner.cfg)
    rest, rate = _after_schedule(runner)
    if rest:
        line = f"param_scheduler ends {rest} iterations before the run"
        if rate == 0:
            faults.append(f"{line}, at a learning rate of 0, so they change nothing: set its end")
        else:
            doubts.append(f"{line}: the learning rate stays at {rate}")
    if _value(runner.cfg, "default_hooks.checkpoint.by_epoch"):
        _check_accumulation(runner.cfg, len(runner.train_dataloader))
    for kind, what in WANTED_HOOKS.items():
        if not any(isinstance(hook, kind) for hook in runner.hooks):
            doubts.append(f"no {kind.__name__} in custom_hooks: {what}")
    for line in doubts:
        runner.logger.warning(line)
    if faults:
        raise InputError(f"{runner.cfg.filename}: {'; '.join(faults)}")


def members(dataset: Any) -> Iterator[Any]:
    """Yield the datasets within a wrapper (concatenated, repeated and so on), or the dataset itself."""
    inner = getattr(dataset, "datasets", None) or [getattr(dataset, "dataset", None)]
    if inner == [None]:
        yield dataset
    else:
        for one in inner:
            yield from members(one)


def _place(dataset: Any) -> tuple[str, str] | None:
    """Return the folder and the list of a dataset's images; None if it does not say."""
    prefix = getattr(dataset, "data_prefix", None)
    if not isinstance(prefix, dict):
        return None
    return str(prefix.get("img_path")), str(getattr(dataset, "ann_file", ""))


def _classes(dataset: Any) -> tuple[str, ...] | None:
    classes = (getattr(dataset, "metainfo", None) or {}).get("classes")
    return None if classes is None else tuple(classes)


def _differing_sets(train_set: Any, val_set: Any) -> Iterator[str]:
    ours, theirs = _classes(train_set) or (), _classes(val_set) or ()
    if len(ours) != len(theirs):
        yield f"the train dataset has {len(ours)} classes, the val dataset {len(theirs)}"
    elif ours != theirs:
        i = next(i for i, pair in enumerate(zip(ours, theirs, strict=True)) if pair[0] != pair[1])
        yield f"class {i} is {ours[i]} in the train dataset and {theirs[i]} in the val dataset"
    datasets = [*members(train_set), *members(val_set)]
    if len({bool(getattr(dataset, "reduce_zero_label", False)) for dataset in datasets}) > 1:
        yield "reduce_zero_label is set for some of the train and val datasets and not for others"


def _evaluated_outputs(config: Config) -> int | None:
    """Return the number of network outputs that the metric expects; None if its config does not say."""
    for name in ("val_evaluator", "test_evaluator"):
        evaluator = config.get(name) or []
        for metric in [evaluator] if isinstance(evaluator, dict) else evaluator:
            if isinstance(metric, dict) and metric.get("num_outputs") is not None:
                return metric["num_outputs"]
    return None


def _heads(model: nn.Module) -> Iterator[tuple[str, BaseDecodeHead]]:
    """Yield the heads that learn the dataset's classes, by name; an STDC head learns edges and is skipped."""
    for name, module in model.named_modules():
        if isinstance(module, BaseDecodeHead) and not isinstance(module, STDCHead):
            yield f"model.{name}", module


def _head_faults(name: str, head: Any, classes: int, evaluated: int | None) -> Iterator[str]:
    outputs, channels = head.num_classes, head.out_channels
    first = name.startswith("model.decode_head")
    if outputs < classes:
        yield f"{name} has {outputs} classes, the dataset {classes}: set model.num_classes to {classes}"
    elif outputs > classes and outputs != evaluated:
        yield (
            f"{name} has {outputs} classes, the dataset {classes}: set model.num_classes to {classes}, or "
            f"tell the metric of further outputs with val_evaluator.num_outputs={outputs}"
        )
    elif first and evaluated not in (None, outputs):
        yield f"val_evaluator.num_outputs is {evaluated}, and {name} has {outputs} classes"
    for loss in head.modules():
        weights = getattr(loss, "class_weight", None)
        if isinstance(weights, (list, tuple)):
            if len(weights) not in (outputs, channels):
                yield f"{name}: {len(weights)} class weights (model.class_weight) for {outputs} classes"
            elif not all(isinstance(w, (int, float)) and 0 <= w < math.inf for w in weights):
                yield f"{name}: a class weight is negative or not a number: {list(weights)}"
            elif not any(weights):
                yield f"{name}: all class weights are 0"
        softmax = isinstance(loss, PixelLoss) or getattr(loss, "use_sigmoid", True) is False
        if channels == 1 and softmax and loss is not head:
            yield (
                f"{name} has one output, over which {type(loss).__name__} is always 0: give it a loss with "
                "use_sigmoid=True, or two classes"
            )


def _ignored(name: str, head: Any, model: Any, config: Config) -> Iterator[str]:
    """Report labels that one part ignores and another part treats as a class."""
    padding = getattr(getattr(model, "data_preprocessor", None), "seg_pad_val", head.ignore_index)
    if padding != head.ignore_index:
        yield f"{name} ignores label {head.ignore_index}, but padding is labelled {padding} (seg_pad_val)"
    evaluator = config.get("val_evaluator") or []
    for metric in [evaluator] if isinstance(evaluator, dict) else evaluator:
        if isinstance(metric, dict) and metric.get("ignore_index", 255) != head.ignore_index:
            yield f"{name} ignores label {head.ignore_index}, the metric {metric.get('ignore_index', 255)}"


def _after_schedule(runner: Any) -> tuple[int, float | None]:
    """Return how many iterations follow the end of a decaying learning rate, and that rate if it is known."""
    schedules = runner.param_schedulers or []
    schedules = schedules if isinstance(schedules, list) else [s for part in schedules.values() for s in part]
    epochs = isinstance(runner.train_loop, EpochLoop)
    length = len(runner.train_dataloader)
    ends = {
        schedule: schedule.end * length if schedule.by_epoch else schedule.end
        for schedule in schedules
        if schedule.param_name == "lr" and (epochs or not schedule.by_epoch)
    }
    last = max(ends, key=lambda schedule: ends[schedule], default=None)
    if last is None or not hasattr(last, "eta_min"):  # only polynomial and cosine decay have a least rate
        return 0, None
    return max(0, runner.max_iters - ends[last]), last.eta_min
