"""Checkpoints of a training: what they hold, which of them are kept, and from which it can continue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.optim import OptimWrapper
from mmengine.registry import HOOKS
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from lednet_mm.checkpoints.binding import meta_of, seed_of
from lednet_mm.checkpoints.files import (
    describe_not_finite,
    require_finite,
    require_fitting,
    weights_of,
)
from lednet_mm.checkpoints.listing import checkpoints_of, number_of
from lednet_mm.checkpoints.reading import check_whole, read_checkpoint
from lednet_mm.errors import InputError
from lednet_mm.record_format import TrainDetails
from lednet_mm.records import explain

PLAIN = (str, int, float, bool, type(None))

TRAIN_DETAILS = TypeAdapter(TrainDetails)

FILES_OF_MMENGINE = ("last_ckpt", "keep_ckpt_ids")
"""mmengine's own notes of the checkpoints to keep, which are not used here: the files themselves decide."""


def plain_values(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries that a checkpoint may hold: numbers, text, and lists and mappings of these."""

    def is_plain(value: Any) -> bool:
        if isinstance(value, (list, tuple)):
            return all(is_plain(item) for item in value)
        if isinstance(value, dict):
            return all(is_plain(item) for pair in value.items() for item in pair)
        return type(value) in PLAIN

    return {key: value for key, value in info.items() if is_plain(value)}


def _message_hub(runtime_info: Any) -> dict[str, Any]:
    """Return the part of mmengine's message hub that a checkpoint keeps; logged histories are in the log."""
    info = plain_values(runtime_info) if isinstance(runtime_info, Mapping) else {}
    kept = {key: value for key, value in info.items() if key not in FILES_OF_MMENGINE}
    return {"log_scalars": {}, "runtime_info": kept, "resumed_keys": {}}


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """Save checkpoints of plain values only, and delete an old one only after the new one is complete.

    Settings and file names are those of mmengine's ``CheckpointHook``. ``max_keep_ckpts`` counts the readable
    checkpoints of this training. Unreadable files are never deleted, and neither are files with a higher
    number than the current iteration, which an earlier run left there.
    """

    max_keep_ckpts: int
    out_dir: str
    filename_tmpl: str
    rules: list[str]
    key_indicators: list[str]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._whole: dict[Path, tuple[int, int]] = {}
        self._saved: int | None = None

    def before_train(self, runner: Any) -> None:
        """Find out whether the run continues from a checkpoint of its current iteration."""
        super().before_train(runner)
        path = Path(self.out_dir) / self.filename_tmpl.format(self._step(runner))
        self._saved = self._step(runner) if path.is_file() and self._is_whole(path) else None

    def after_train_iter(self, runner: Any, *unused: Any, **unused_too: Any) -> None:
        """Save the checkpoint that is due after an iteration."""
        due = self.every_n_train_iters(runner, self.interval, self.save_begin)
        if not self.by_epoch and (due or (self.save_last and self.is_last_train_iter(runner))):
            runner.logger.info(f"Saving checkpoint at {runner.iter + 1} iterations")
            self._save(runner, runner.iter + 1, epoch=runner.epoch, iteration=runner.iter + 1)

    def after_train_epoch(self, runner: Any) -> None:
        """Save the checkpoint that is due after an epoch."""
        due = self.every_n_epochs(runner, self.interval, self.save_begin)
        if self.by_epoch and (due or (self.save_last and self.is_last_train_epoch(runner))):
            runner.logger.info(f"Saving checkpoint at {runner.epoch + 1} epochs")
            self._save(runner, runner.epoch + 1, epoch=runner.epoch + 1, iteration=runner.iter)

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Save the checkpoint with the best value so far of each metric that ``save_best`` names."""
        if not self.save_best or not metrics:
            return
        if "auto" in self.key_indicators:
            self._choose_metric(next(iter(metrics)))
        better = [key for key in self.key_indicators if self._save_if_best(runner, key, metrics[key])]
        if better and self.last_ckpt is not None:  # it does not know the new best checkpoints yet
            self._save(runner, self._step(runner), epoch=runner.epoch, iteration=runner.iter)

    def after_train(self, runner: Any) -> None:
        """Save the last weights if they have no checkpoint yet: a run can end before its last iteration."""
        step = self._step(runner)
        if self.save_last and step != self._saved:
            runner.logger.info(f"Saving checkpoint at the end of the run, after iteration {runner.iter}")
            self._save(runner, step, epoch=runner.epoch, iteration=runner.iter)
        super().after_train(runner)

    def before_save_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Keep only what a reader can load without executing code."""
        checkpoint["message_hub"] = _message_hub(checkpoint["message_hub"]["runtime_info"])

    def _step(self, runner: Any) -> int:
        """Return the number of a checkpoint that is saved between two iterations."""
        return runner.epoch if self.by_epoch else runner.iter

    def _save(self, runner: Any, step: int, *, epoch: int, iteration: int) -> None:
        """Save a checkpoint under a number, note it as the last one, and delete those beyond the limit."""
        name = self.filename_tmpl.format(step)
        runner.save_checkpoint(
            self.out_dir,
            name,
            self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta={"epoch": epoch, "iter": iteration},
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        self._saved = step
        self.last_ckpt = str(Path(self.out_dir) / name)
        if not is_main_process():
            return
        noted = Path(runner.work_dir) / "last_checkpoint"
        if noted.is_symlink():  # else the file that it points to would be overwritten
            noted.unlink()
        noted.write_text(self.last_ckpt)
        if self.max_keep_ckpts > 0:
            whole = [p for p in checkpoints_of(self.out_dir) if self._is_mine(p, step) and self._is_whole(p)]
            for path in whole[self.max_keep_ckpts :]:
                path.unlink(missing_ok=True)

    def _is_mine(self, path: Path, step: int) -> bool:
        """Return whether a checkpoint's name shows that this training has written it up to now."""
        number = number_of(path)
        return number is not None and number <= step and path.name == self.filename_tmpl.format(number)

    def _is_whole(self, path: Path) -> bool:
        """Return whether a file is readable; it is read once, and again only after it has changed."""
        status = path.stat()
        state = (status.st_mtime_ns, status.st_size)
        if self._whole.get(path) != state:
            try:
                check_whole(path)
            except InputError:
                return False
            self._whole[path] = state
        return True

    def _choose_metric(self, name: str) -> None:
        """Let ``save_best="auto"`` mean the first metric of the first validation."""
        chosen = CheckpointHook(
            save_best=name,
            rule=self.rules[0],
            greater_keys=self.greater_keys,
            less_keys=self.less_keys,
        )
        self.rules, self.key_indicators = chosen.rules, chosen.key_indicators
        self.is_better_than = chosen.is_better_than

    def _save_if_best(self, runner: Any, key: str, score: float | None) -> bool:
        """Save a checkpoint if a metric's value is the best so far; then delete the previous best one.

        Returns:
            Whether the value is the best so far.
        """
        suffix = f"_{key}" if len(self.key_indicators) > 1 else ""
        so_far = runner.message_hub.runtime_info
        rule = self.rules[self.key_indicators.index(key)]
        best = so_far.get(f"best_score{suffix}", self.init_value_map[rule])
        if score is None or not self.is_better_than[key](score, best):
            return False
        before = so_far.get(f"best_ckpt{suffix}")
        name = f"best_{key}_{self.filename_tmpl.format(self._step(runner))}".replace("/", "_")
        path = str(Path(self.out_dir) / name)
        runner.message_hub.update_info(f"best_score{suffix}", score)
        runner.message_hub.update_info(f"best_ckpt{suffix}", path)
        if suffix:
            self.best_ckpt_path_dict[key] = path
        else:
            self.best_ckpt_path = path
        runner.save_checkpoint(
            self.out_dir,
            filename=name,
            file_client_args=self.file_client_args,
            save_optimizer=False,
            save_param_scheduler=False,
            meta={"epoch": runner.epoch, "iter": runner.iter},
            by_epoch=False,
            backend_args=self.backend_args,
        )
        unit = "epoch" if self.by_epoch else "iter"
        step = self._step(runner)
        runner.logger.info(
            f"The best checkpoint with {score:0.4f} {key} at {step} {unit} is saved to {name}."
        )
        # The path may come from a checkpoint, which could name any file.
        old = Path(self.out_dir) / Path(before).name if isinstance(before, str) else None
        if old and old != Path(path) and old.name.startswith("best_") and is_main_process():
            old.unlink(missing_ok=True)
        return True


def read_resumable(path: Path, model: nn.Module, optim_wrapper: Any, param_schedulers: Any) -> dict[str, Any]:
    """Read a checkpoint from which a training is to continue; nothing is loaded into the model yet.

    Args:
        path: path of the checkpoint.
        model: the training's model, without wrappers.
        optim_wrapper: the training's optimizer wrapper, already built.
        param_schedulers: the training's parameter schedulers, already built.

    Returns:
        The checkpoint, with everything that mmengine needs to continue.

    Raises:
        DamagedError: the file is damaged.
        InputError: the file is unreadable, or not a checkpoint of this training; the line says why.
    """
    checkpoint = read_checkpoint(path)
    meta = meta_of(checkpoint, path)
    seed_of(checkpoint, path)
    ours = model.state_dict()
    state = weights_of(checkpoint, path, ours)
    require_fitting(model, state, path)
    if any(state[name].dtype != tensor.dtype for name, tensor in ours.items() if name in state):
        raise InputError(
            f"{path}: the weights have another precision than those of a training (a published file?)"
        )
    require_finite(state, path)
    for key in ("iter", "epoch"):
        value = meta.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise InputError(f"{path}: not a checkpoint of a training: its meta has no number under {key!r}")
    if isinstance(optim_wrapper, OptimWrapper):
        if reason := _optimizer_fault(checkpoint.get("optimizer"), optim_wrapper.optimizer):
            raise InputError(f"{path}: cannot be continued: {reason}")
    elif not isinstance(checkpoint.get("optimizer"), Mapping):
        raise InputError(f"{path}: cannot be continued: it holds no optimiser state")
    if isinstance(param_schedulers, Sequence) and (
        reason := _schedulers_fault(checkpoint.get("param_schedulers"), param_schedulers)
    ):
        raise InputError(f"{path}: cannot be continued: {reason}")
    hub = checkpoint.get("message_hub")
    checkpoint["message_hub"] = _message_hub(hub.get("runtime_info") if isinstance(hub, Mapping) else None)
    if reason := _history_fault(checkpoint["message_hub"]["runtime_info"]):
        raise InputError(f"{path}: cannot be continued: its history of the training is invalid: {reason}")
    return checkpoint


def _history_fault(info: Mapping[str, Any]) -> str | None:
    """Return why the training history in a checkpoint cannot go into a record; None if it can."""
    keys = {
        "ranges": "ranges",
        "miou_curve": "validation_curve_miou_percent",
        "top1_curve": "validation_curve_top1_percent",
        "loss_curve": "validation_curve_loss",
        "began_from": "began_from",
    }
    try:
        history = TRAIN_DETAILS.validate_python({to: info[key] for key, to in keys.items() if key in info})
    except ValidationError as error:
        return explain(error)
    for part in history.get("ranges", []):
        begin, end, processes = part.get("from"), part.get("to"), part.get("processes", 1)
        if type(begin) is not int or type(end) is not int or not 0 <= begin <= end:
            return f"a range is from iteration {begin!r} to {end!r}"
        if type(processes) is not int or processes < 1:
            return f"a range is of {processes!r} processes"
    return None


def _optimizer_fault(state: Any, optimizer: Any) -> str | None:
    """Return why an optimiser cannot take a state; None if it can."""
    groups = state.get("param_groups") if isinstance(state, Mapping) else None
    moments = state.get("state") if isinstance(state, Mapping) else None
    if not isinstance(groups, list) or not isinstance(moments, Mapping):
        return "it holds no optimiser state (a published file?)"
    ours = optimizer.param_groups
    if len(groups) != len(ours):
        return f"its optimiser has {len(groups)} groups of parameters, this training's {len(ours)}"
    parameters: dict[Any, Tensor] = {}
    for theirs, own in zip(groups, ours, strict=True):
        numbers = theirs.get("params") if isinstance(theirs, Mapping) else None
        if not isinstance(numbers, list) or len(numbers) != len(own["params"]):
            return "its optimiser's groups of parameters differ from this training's"
        if reason := _hyperparameter_fault(theirs, own, type(optimizer).__name__):
            return reason
        if not all(isinstance(number, int) for number in numbers):
            return "its optimiser identifies its parameters by something other than numbers"
        parameters.update(zip(numbers, own["params"], strict=True))
    if not moments and any("betas" in own or own.get("momentum") for own in ours):
        return "its optimiser has no moments"
    for number, values in moments.items():
        if number not in parameters or not isinstance(values, Mapping):
            return "its optimiser has a state for parameters that this training does not have"
        for key, value in values.items():
            if isinstance(value, Tensor) and value.dim() and value.shape != parameters[number].shape:
                return (
                    f"its optimiser's {key} of parameter {number} has the shape {tuple(value.shape)}, "
                    f"and the parameter {tuple(parameters[number].shape)}"
                )
            if not isinstance(value, (Tensor, int, float)) and key != "momentum_buffer":
                return f"its optimiser's {key} of parameter {number} is not a number"
    tensors = {f"{key} of parameter {i}": t for i, values in moments.items() for key, t in values.items()}
    fault = describe_not_finite({name: t for name, t in tensors.items() if isinstance(t, Tensor)})
    return f"its optimiser's {fault}" if fault else None


def _hyperparameter_fault(theirs: Mapping[str, Any], own: Mapping[str, Any], optimizer: str) -> str | None:
    """Return why a parameter group's settings do not fit this optimiser; None if they do."""
    if unknown := sorted(str(key) for key in theirs.keys() - own.keys() - {"initial_lr"}):
        return f"its optimiser is not {optimizer} (it has {', '.join(unknown)})"
    for key, value in own.items():
        # New versions of PyTorch add switches without a value, and fill them in.
        numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
        if (numeric or isinstance(value, tuple)) and not isinstance(
            theirs.get(key), (int, float, Tensor) if numeric else (tuple, list)
        ):
            return f"its optimiser is not {optimizer} (it has no {key})"
    return None


def _schedulers_fault(states: Any, schedulers: Sequence[Any]) -> str | None:
    """Return why schedulers cannot take their states; None if they can."""
    if not isinstance(states, list) or len(states) != len(schedulers):
        return "it lacks the state of some schedules (such as that of the learning rate) of this training"
    for state, scheduler in zip(states, schedulers, strict=True):
        if not isinstance(state, Mapping) or state.keys() != scheduler.state_dict().keys():
            return f"its schedules differ from this training's ({type(scheduler).__name__})"
    return None
