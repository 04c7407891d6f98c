"""Continue a run, but only under the same settings, with a schedule that fits its length.

A checkpoint holds the config that it was trained under. The length of the run, the places of the run and its
data, the hardware, and the intervals of logging and validation may change. With any other change, the record
would describe a training that never happened.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from mmengine.config import Config

from lednet_mm.config import EARLIER, READ, config_text
from lednet_mm.errors import InputError, describe_error
from lednet_mm.literals import LARGEST, differing_keys, read_literals
from lednet_mm.text import one_line
from lednet_mm.training.loops import EpochLoop
from lednet_mm.upstream.mmengine import set_progress

MAY_CHANGE = (
    # the length of the run, and how often it is logged and validated
    *("train_cfg.max_iters", "train_cfg.max_epochs", "train_cfg.val_*", "train_cfg.dynamic_intervals"),
    *("default_hooks.checkpoint.*", "default_hooks.logger.*", "default_hooks.visualization*"),
    *("experiment_name", "log_level", "log_processor*", "visualizer*"),
    # places and hardware
    *(
        "compile*",
        "custom_imports*",
        "env_cfg*",
        "find_unused_parameters",
        "launcher",
        "load_from",
        "model_wrapper_cfg*",
    ),
    *("resume", "work_dir", "val_dataloader.batch_size"),
    *(f"*_dataloader.{key}" for key in ("num_workers", "persistent_workers", "prefetch_factor")),
    *(f"*_dataloader.{key}" for key in ("multiprocessing_context", "pin_memory", "timeout")),
    # settings that do not affect a training
    *("test_*", "tta_*"),
)
"""Patterns of the keys whose values may change when a run continues."""

PLACES = ("cache_dir", "data_root")
"""Keys of a dataset that say where its files are."""

POSITION = ("_global_step", "_last_value", "last_step", "verbose")
"""Attributes of a schedule that change from step to step; all others identify it."""

SHOWN = 3
NEW_RUN = "begin a new run in another --work-dir (--pretrained takes the weights along)"


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the differences of two configs that a continued run must not have: dotted key -> both values."""
    found = differing_keys(_training_of(then), _training_of(now))
    return {
        key: v
        for key, v in found.items()
        if key.startswith(f"{EARLIER}.train_cfg.max_")
        or not any(fnmatchcase(key.replace(f"{EARLIER}.", ""), may) for may in MAY_CHANGE)
    }


def refuse_differences(path: str, then: Mapping[str, Any], config: Config) -> None:
    """Check that a checkpoint was trained under a config.

    Args:
        path: path of the checkpoint.
        then: the config that it was trained under.
        config: the present config.

    Raises:
        InputError: they differ in something that decides a training.
    """
    try:
        now = read_literals(config_text(config))
    except ValueError:  # the config holds classes or functions
        return
    if changed := differences(then, now):
        raise _refusal(path, changed)


def _training_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that decide a training: no auxiliary variables, no paths, no length of the run."""
    kept = {key: value for key, value in config.items() if key in READ}
    for key in kept:
        if key.endswith("_dataloader"):
            kept[key] = _without_places(kept[key])
    if isinstance(kept.get(EARLIER), Mapping):
        kept[EARLIER] = _training_of(kept[EARLIER])
    length = kept.get("train_cfg") or {}
    lengths = (length.get("max_iters"), length.get("max_epochs"))
    schedules = kept.get("param_scheduler")
    if isinstance(schedules, (list, tuple)):
        kept["param_scheduler"] = [
            {k: v for k, v in one.items() if k != "end" or v not in lengths} if isinstance(one, dict) else one
            for one in schedules
        ]
    return kept


def _without_places(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {key: _without_places(value) for key, value in content.items() if key not in PLACES}
    return [_without_places(item) for item in content] if isinstance(content, (list, tuple)) else content


class _Dicts(ast.NodeTransformer):
    """Turns ``dict(a=1)``, as mmengine writes configs, into ``{"a": 1}``."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        plain = isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args
        if not plain or any(keyword.arg is None for keyword in node.keywords):
            return node
        keys: list[ast.expr | None] = [ast.Constant(keyword.arg) for keyword in node.keywords]
        return ast.Dict(keys, [keyword.value for keyword in node.keywords])


def config_of(meta: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the config in a checkpoint's ``meta`` as values, without executing it; None if it has none."""
    try:
        if isinstance(meta.get("config"), str):
            return read_literals(meta["config"])
        text = meta.get("cfg")  # mmengine's key, in checkpoints without ours
        if isinstance(text, str) and len(text) <= LARGEST:
            return read_literals(ast.unparse(_Dicts().visit(ast.parse(text))))
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        pass  # not literals: the caller reports that nothing could be compared
    return None


def check_continues(path: str, checkpoint: Mapping[str, Any], runner: Any) -> None:
    """Check that a run may continue from a checkpoint.

    Args:
        path: path of the checkpoint.
        checkpoint: content of the checkpoint.
        runner: runner with the config and the length of the run that is to continue.

    Raises:
        InputError: the checkpoint is not one of a training, or its training had another config, other data
            or more iterations than asked for.
    """
    meta = checkpoint.get("meta")
    if not isinstance(meta, Mapping) or not isinstance(meta.get("iter"), int):
        raise InputError(f"{path}: not a checkpoint of a training (it does not say after which iteration)")
    length = "train_cfg.max_epochs" if isinstance(runner.train_loop, EpochLoop) else "train_cfg.max_iters"
    if meta["iter"] > runner.max_iters:
        raise InputError(
            f"{path} has {meta['iter']} iterations already, more than the {runner.max_iters} of {length}: "
            f"ask for as many or more, or {NEW_RUN}"
        )
    then = config_of(meta)
    if then is None:
        seed = meta.get("seed")
        if seed is not None and seed != runner.seed:
            raise _refusal(path, {"randomness.seed": (seed, runner.seed)})
        runner.logger.warning(
            f"{path} holds no config, so it is unknown whether it was trained under this one"
        )
    else:
        try:
            now = read_literals(runner.config_text)
        except ValueError:  # the config holds classes or functions
            runner.logger.warning(f"{path}: its config could not be compared with this one, which holds code")
        else:
            if changed := differences(then, now):
                raise _refusal(path, changed)
    classes = (meta.get("dataset_meta") or {}).get("classes")
    ours = (getattr(runner.train_dataloader.dataset, "metainfo", None) or {}).get("classes")
    if classes is not None and ours is not None and tuple(classes) != tuple(ours):
        raise _refusal(path, {"the dataset's classes": (tuple(classes), tuple(ours))})
    ranges = _info(checkpoint).get("ranges")
    for split, key, what in (
        ("train", "dataset_fingerprint", "trained"),
        ("val", "val_dataset_fingerprint", "validated"),
    ):
        before = ranges[-1].get(key) if ranges else None
        now_is = runner.dataset_fingerprints.get(split)
        if before is not None and now_is is not None and before != now_is:
            raise InputError(
                f"{path} was {what} on other data (names or sizes of files differ): give it those, or "
                f"{NEW_RUN}"
            )


def _info(checkpoint: Mapping[str, Any]) -> Mapping[str, Any]:
    info = (checkpoint.get("message_hub") or {}).get("runtime_info")
    return info if isinstance(info, Mapping) else {}


def _refusal(path: str, changed: Mapping[str, tuple[Any, Any]]) -> InputError:
    def short(value: Any) -> str:
        text = one_line(repr(value))
        return text if len(text) <= 60 else f"{text[:57]}..."

    told = [f"{key} = {short(then)}, now {short(now)}" for key, (then, now) in list(changed.items())[:SHOWN]]
    more = f"; and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
    return InputError(
        f"{path} was trained under another config ({'; '.join(told)}{more}): continue with that one, or "
        f"{NEW_RUN}"
    )


def restore(runner: Any, path: str, checkpoint: Mapping[str, Any]) -> None:
    """Restore the loop, message hub, schedules and optimiser from a checkpoint.

    If the run has become longer, its schedules are stepped from the beginning: the learning rate is then that
    of a run that had this length from the start.

    Raises:
        InputError: the optimiser's state belongs to another model or another optimiser.
    """
    done = checkpoint["meta"]["iter"]
    loop = runner.train_loop
    length = len(runner.train_dataloader) if isinstance(loop, EpochLoop) else None
    epoch = checkpoint["meta"].get("epoch", 0)
    set_progress(loop, done, epoch)
    runner.message_hub.load_state_dict(dict(checkpoint["message_hub"]))
    states = _listed(checkpoint.get("param_schedulers") or [])
    schedules = _listed(runner.param_schedulers or [])
    other = not _same_schedules(schedules, states)
    if other:
        runner.logger.info(
            f"the schedule has another length: it is stepped from the beginning to iteration {done}"
        )
        _follow(schedules, done, length)
    groups = [group for optimizer in _optimizers(runner.optim_wrapper) for group in optimizer.param_groups]
    settings = [{key: value for key, value in group.items() if key != "params"} for group in groups]
    try:
        runner.optim_wrapper.load_state_dict(checkpoint["optimizer"])
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(
            f"{path}: its optimiser state belongs to another model or optimiser ({describe_error(error)})"
        ) from error
    if other:
        groups = [
            group for optimizer in _optimizers(runner.optim_wrapper) for group in optimizer.param_groups
        ]
        for group, setting in zip(groups, settings, strict=True):
            group.update(setting)
    else:
        for schedule, state in zip(schedules, states, strict=True):
            schedule.load_state_dict(state)
        if length and done == (epoch + 1) * length:  # saved before the epoch was counted as done
            _step(schedules, by_epoch=True)


def _listed(schedules: Any) -> list[Any]:
    """Return schedules, or their states, as one list, even if there are several optimisers."""
    if isinstance(schedules, Mapping):
        return [one for part in schedules.values() for one in part]
    return list(schedules)


def _optimizers(wrapper: Any) -> list[Any]:
    if isinstance(getattr(wrapper, "optim_wrappers", None), Mapping):
        return [one.optimizer for one in wrapper.optim_wrappers.values()]
    return [wrapper.optimizer]


def _same_schedules(schedules: list[Any], states: list[Any]) -> bool:
    """Return whether these schedules are the ones whose states a checkpoint holds."""

    def identity(state: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in state.items() if key not in POSITION}

    return len(schedules) == len(states) and all(
        isinstance(state, Mapping) and identity(schedule.state_dict()) == identity(state)
        for schedule, state in zip(schedules, states, strict=True)
    )


def _follow(schedules: list[Any], iterations: int, epoch_length: int | None) -> None:
    """Step new schedules as a training of ``iterations`` iterations does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the optimiser does not step between
        for done in range(1, iterations + 1):
            _step(schedules, by_epoch=False)
            if epoch_length and done % epoch_length == 0:
                _step(schedules, by_epoch=True)


def _step(schedules: list[Any], by_epoch: bool) -> None:
    for schedule in schedules:
        if schedule.by_epoch == by_epoch and not getattr(schedule, "need_val_args", False):
            schedule.step()
