"""Hooks of a training run: seeds for every iteration, checks of the loss, and records."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_rank, is_main_process
from mmengine.hooks import CheckpointHook, Hook, LoggerHook, RuntimeInfoHook
from mmengine.registry import HOOKS
from torch import Tensor

from lednet_mm.checkpoints.files import last_good_checkpoint
from lednet_mm.config import run_of
from lednet_mm.datasets.frames import recorded_frames
from lednet_mm.datasets.reproducible import seed_iteration
from lednet_mm.errors import InputError
from lednet_mm.evaluation.metric import Accuracy, ConfusionMatrixMetric
from lednet_mm.evaluation.top_accuracy import TopAccuracy
from lednet_mm.files import file_sha256
from lednet_mm.networks.losses import PixelLoss
from lednet_mm.records import Kind, Provenance, collect_provenance, new_record, now, write_record
from lednet_mm.training.history import Stopwatch, begin_range, epochs_of, extend_range
from lednet_mm.training.loops import EpochLoop
from lednet_mm.training.mixed_precision import precision_of_training
from lednet_mm.training.precision import precision_now
from lednet_mm.upstream.mmengine import bare

APPLIES = ("commit", "dirty", "device", "threads", "precision", "dataset_fingerprint")
"""What a record keeps of each range of iterations, beside their numbers, seed and learning rate."""


@HOOKS.register_module()
class SeedHook(Hook):
    """Seed PyTorch before every iteration from (seed, iteration, rank), so no random state must be stored."""

    priority = "VERY_HIGH"

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Set the seed of this iteration."""
        seed_iteration(runner.seed or 0, runner.iter, get_rank())


@HOOKS.register_module()
class ProgressHook(Hook):
    """Tell losses that change in the course of a training how much of it is done."""

    priority = "VERY_HIGH"

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Set ``progress`` of the losses of this project to the share of the iterations that is done."""
        for module in runner.model.modules():
            if isinstance(module, PixelLoss):
                module.progress = runner.iter / runner.max_iters


@HOOKS.register_module()
class EncoderFirstHook(Hook):
    """Train the encoder with the auxiliary head first, then encoder and decoder without it.

    LEDNet's authors do this (train/main.py) with a separate schedule for each stage; here both stages share
    one schedule, so that nothing else differs from a training in one stage. The hook needs a ``Segmentor``
    with an auxiliary head. The iteration decides the stage, so a resumed run continues in the right one.

    Args:
        share: share of the iterations that belong to the first stage.
    """

    def __init__(self, share: float = 0.5) -> None:
        self.share = share

    def before_train(self, runner: Any) -> None:
        """Check that there is an auxiliary head.

        Raises:
            InputError: the model has no auxiliary head.
        """
        if not getattr(self._model(runner), "with_auxiliary_head", False):
            raise InputError("EncoderFirstHook: the model has no auxiliary_head to train the encoder with")

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Choose the head that learns in this iteration."""
        first = runner.iter < self.share * runner.max_iters
        self._model(runner).learning = "auxiliary" if first else "decode"

    @staticmethod
    def _model(runner: Any) -> Any:
        return bare(runner.model)


@HOOKS.register_module()
class EarlyLoggerHook(LoggerHook):
    """MMEngine's hook, which also logs iterations 1, 2, 4, 8, ... of a session, up to its interval.

    So a user who starts or resumes a training sees after one iteration how fast it is and when it will end.
    """

    interval: int
    _first_iter = 0

    def before_train(self, runner: Any) -> None:
        """Remember the iteration at which the session begins."""
        super().before_train(runner)
        self._first_iter = runner.iter

    def is_early(self, runner: Any) -> bool:
        """Return whether the iteration that ends now is one of the early ones that are logged."""
        done = runner.iter + 1 - self._first_iter
        return done < self.interval and done & (done - 1) == 0

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Log the iteration if it is an early one or if the interval is due."""
        interval = self.interval
        try:
            self.interval = 1 if self.is_early(runner) else interval
            super().after_train_iter(runner, batch_idx, data_batch, outputs)
        finally:
            self.interval = interval


@HOOKS.register_module()
class LossHook(RuntimeInfoHook):
    """Read the losses where they are logged, and stop a run whose loss is NaN or infinite.

    This hook replaces MMEngine's, which reads every value in every iteration and so makes the CPU wait for
    the GPU each time. Here the values stay on the device until the run logs, validates or writes a
    checkpoint; the log still gets the value of every iteration.
    """

    def __init__(self) -> None:
        self._unread: list[tuple[int, dict[str, Tensor]]] = []

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Keep the losses of this iteration, and read all kept losses when they are due.

        Raises:
            InputError: a loss is NaN or infinite; the line names the iteration and the last checkpoint.
        """
        self._unread.append((runner.iter + 1, {key: v.detach() for key, v in (outputs or {}).items()}))
        intervals = [
            hook.interval
            for hook in runner.hooks
            if isinstance(hook, LoggerHook) or (isinstance(hook, CheckpointHook) and not hook.by_epoch)
        ]
        if not isinstance(runner.train_loop, EpochLoop):
            intervals.append(runner.train_loop.val_interval)
        if (
            any(self.every_n_train_iters(runner, n) for n in intervals)
            or any(hook.is_early(runner) for hook in runner.hooks if isinstance(hook, EarlyLoggerHook))
            or self.is_last_train_iter(runner)
            or self.end_of_epoch(runner.train_dataloader, batch_idx)  # an epoch loop logs and validates then
        ):
            self._read(runner)

    def _read(self, runner: Any) -> None:
        on_device = [value.reshape(()).float() for _, losses in self._unread for value in losses.values()]
        values = iter(torch.stack(on_device).tolist() if on_device else [])
        unread, self._unread = self._unread, []
        for iteration, losses in unread:
            for key in losses:
                value = next(values)
                if key == "loss" and not math.isfinite(value):
                    raise InputError(self._no_number(runner, value, iteration))
                runner.message_hub.update_scalar(f"train/{key}", value)

    @staticmethod
    def _no_number(runner: Any, loss: float, iteration: int) -> str:
        good = last_good_checkpoint(runner.work_dir)
        return (
            f"the loss became {loss} at iteration {iteration}; "
            f"the last good checkpoint is {good or 'none (none was written yet)'}; "
            "lower the learning rate, or look at the batch with tools/check_dataset.py"
        )


@HOOKS.register_module()
class RecordHook(Hook):
    """Write the records of a training: its course, and the accuracy of its last weights.

    Checkpoints hold the validation curve and the ranges of iterations with the settings of each (seed,
    length, learning rate, commit, device), so that a resumed run knows its whole history. A validation that
    was cut off is repeated.
    """

    priority = "LOWEST"

    def __init__(self) -> None:
        self.accuracy: Accuracy | None = None
        self.top: Mapping[str, float] | None = None
        self.validated_at = -1
        self.session = Stopwatch()
        self.training = Stopwatch()
        self.provenance: Provenance | None = None
        self.first_iter = 0
        self.ranges: list[dict[str, Any]] = []

    def before_train(self, runner: Any) -> None:
        """Start the clocks; validate first if the run was cut off just before a validation."""
        if not hasattr(runner, "dataset_fingerprints"):
            runner.logger.warning("no records are written: the config needs runner_type = ReproducibleRunner")
            return
        runner.message_hub.update_info("miou_curve", self._curve(runner))
        if self._validation_is_missing(runner):
            runner.val_loop.run()
        self.first_iter = runner.iter
        # The commit of the code that was loaded, even if there are new commits during the run.
        device = next(runner.model.parameters()).device
        self.provenance = collect_provenance(
            str(device),
            precision_of_training(device, runner.optim_wrapper),
            threads=runner.threads.count,
            dataset_fingerprint=runner.dataset_fingerprints.get("train"),
        )
        applies = {
            "max_iters": runner.max_iters,
            "seed": runner.seed,
            "processes": runner.world_size,
            "val_dataset_fingerprint": runner.dataset_fingerprints.get("val"),
            **self.provenance.model_dump(include=set(APPLIES)),
        }
        before = runner.message_hub.runtime_info.get("ranges", [])
        self.ranges = begin_range(before, runner.iter, self.provenance.date, applies)
        runner.message_hub.update_info("ranges", self.ranges)
        self.session.go_on()
        self.training.go_on()

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Keep the learning rate of this iteration for the next checkpoint."""
        if self.provenance is None:
            return
        rate = next(iter(runner.optim_wrapper.get_lr().values()))[0]
        extend_range(self.ranges[-1], runner.iter + 1, rate)

    def before_save_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Stop the clock, so that writing checkpoints does not count in the training speed."""
        self.training.pause()

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Start the clock again after a checkpoint."""
        self.training.go_on()

    def after_train_epoch(self, runner: Any) -> None:
        """Start the clock again after a checkpoint."""
        self.training.go_on()

    def before_val(self, runner: Any) -> None:
        """Stop the clock, so that validations do not count in the training speed."""
        self.training.pause()

    def after_val(self, runner: Any) -> None:
        """Start the clock again after a validation."""
        if runner.iter < runner.max_iters:
            self.training.go_on()

    def after_val_epoch(self, runner: Any, metrics: dict | None = None) -> None:
        """Keep the accuracy and the loss for the record and the curves."""
        self.validated_at = runner.iter
        metrics_here = runner.val_evaluator.metrics
        self.accuracy = next((m.last for m in metrics_here if isinstance(m, ConfusionMatrixMetric)), None)
        self.top = next((m.last for m in metrics_here if isinstance(m, TopAccuracy)), None)
        if self.accuracy is not None:
            self._extend(runner, "miou_curve", self.accuracy.values["miou_percent"])
        if self.top is not None:
            self._extend(runner, "top1_curve", self.top["top1_percent"])
        if (loss := (metrics or {}).get("val_loss")) is not None and math.isfinite(loss):
            self._extend(runner, "loss_curve", float(loss))  # MMEngine gives a NumPy number

    def after_train(self, runner: Any) -> None:
        """Write the records of the finished run."""
        if self.provenance is None:
            return
        self.training.pause()
        self.session.pause()
        if runner.val_loop is not None and self.validated_at != runner.iter:
            runner.val_loop.run()
        if not is_main_process():
            return
        checkpoint = runner.file_of_weights()
        update = {"date": now(), "checkpoint_sha256": file_sha256(checkpoint) if checkpoint else None}
        provenance = self.provenance.model_copy(update=update)
        iterations = runner.iter - self.first_iter
        images = iterations * runner.train_dataloader.batch_size * runner.world_size
        values = {
            "iterations": runner.iter,
            "epochs": round(epochs_of(self.ranges, len(runner.train_dataloader), runner.world_size), 4),
            "loss": runner.message_hub.get_scalar("train/loss").current() if iterations else None,
            "val_loss": next((loss for _, loss in self._curve(runner, "loss_curve")[-1:]), None),
            "seconds_this_session": self.session.seconds,
            "training_seconds_this_session": self.training.seconds,
            "iterations_this_session": iterations,
            "images_per_second": images / self.training.seconds if iterations else None,
            "peak_memory_bytes": torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None,
            "processes": runner.world_size,
        }
        details = {
            "validation_curve_miou_percent": self._curve(runner),
            **{
                key: self._curve(runner, name)
                for name, key in (
                    ("loss_curve", "validation_curve_loss"),
                    ("top1_curve", "validation_curve_top1_percent"),
                )
                if self._curve(runner, name)
            },
            "ranges": self.ranges,
            "threads_reason": runner.threads.reason,
            "checkpoint": checkpoint.name if checkpoint else None,
            "began_from": runner.message_hub.runtime_info.get("began_from"),
            "best_checkpoint": self._best(runner),
        }
        run = run_of(runner.cfg, runner.seed)
        write_record(
            new_record("train", run, runner.config_text, values, details, provenance), runner.work_dir
        )
        if self.top is not None:
            of_classes = {
                "split": "val",
                "images": self.top["images"],
                "classes": len(runner.val_loop.dataloader.dataset.metainfo["classes"]),
                "checkpoint": details["checkpoint"],
            }
            of_val = {"dataset_fingerprint": runner.dataset_fingerprints.get("val")}
            scores = {key: self.top[key] for key in ("top1_percent", "top5_percent")}
            dated = provenance.model_copy(update=of_val)
            write_record(
                new_record("classification", run, runner.config_text, scores, of_classes, dated),
                runner.work_dir,
            )
        if self.accuracy is not None:
            device = next(runner.model.parameters()).device
            of_val = {
                "dataset_fingerprint": runner.dataset_fingerprints.get("val"),
                "precision": precision_now(device, getattr(runner.val_loop, "fp16", False)),
            }
            write_accuracy_record(
                runner,
                self.accuracy,
                "val",
                provenance.model_copy(update=of_val),
                runner.work_dir,
                runner.seed,
                **recorded_frames(runner.val_loop.dataloader.dataset, self.accuracy.images),
            )

    def _validation_is_missing(self, runner: Any) -> bool:
        """Return whether the checkpoint that a run continues from should have been validated and was not."""
        loop = runner.train_loop
        done = runner.iter
        if isinstance(loop, EpochLoop):
            done, rest = divmod(done, len(runner.train_dataloader))
            done = 0 if rest else done
        due = (
            done and runner.val_loop is not None and done >= loop.val_begin and done % loop.val_interval == 0
        )
        points = [*self._curve(runner), *self._curve(runner, "top1_curve")]
        return bool(due) and runner.iter not in [step for step, _ in points]

    def _curve(self, runner: Any, name: str = "miou_curve") -> list:
        return list(runner.message_hub.runtime_info.get(name, []))

    def _extend(self, runner: Any, name: str, value: float) -> None:
        """Put the value of this iteration into a curve."""
        curve = [point for point in self._curve(runner, name) if point[0] != runner.iter]
        curve.append([runner.iter, value])
        runner.message_hub.update_info(name, sorted(curve, key=lambda point: point[0]))

    @staticmethod
    def _best(runner: Any) -> str | None:
        """Return the name of the file with the weights that were best on val, and say what it is."""
        path = runner.message_hub.runtime_info.get("best_ckpt")
        name = Path(path).name if isinstance(path, str) else None
        if name is None or not (Path(runner.work_dir) / name).is_file():
            return None
        runner.logger.info(f"{name} has the weights that were best on val; records are of the last weights")
        return name


def write_accuracy_record(
    runner: Any,
    accuracy: Accuracy,
    split: str,
    provenance: Provenance,
    work_dir: str | Path,
    seed: int | None,
    kind: Kind = "accuracy",
    **details: Any,
) -> Path:
    """Write the accuracy record of one split, on clean or corrupted images, and return its path."""
    record = new_record(
        kind,
        run_of(runner.cfg, seed),
        runner.config_text,
        accuracy.values,
        {"split": split, **accuracy.details(), **details},
        provenance,
    )
    return write_record(record, work_dir)
