"""The runner of every config here: mmengine's, made exact on resume and safe with its files.

What it adds: checkpoints appear whole or not at all; resuming takes the newest one that can be read; files
are loaded without executing code and strictly; data, config and one batch are tried before the first
iteration; a run continues only as what it was; distributed training runs on CPUs too.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import is_main_process, master_only
from mmengine.logging import MMLogger
from mmengine.model import BaseTTAModel, MMDistributedDataParallel, is_model_wrapper
from mmengine.model.utils import revert_sync_batchnorm
from mmengine.registry import LOOPS, RUNNERS
from mmengine.runner import BaseLoop, EpochBasedTrainLoop
from mmengine.structures import PixelData
from torch import Tensor, distributed, nn

from lednet_mm.checkpoints.binding import compare_with_config, meta_of
from lednet_mm.checkpoints.files import (
    describe_differences,
    describe_not_finite,
    last_good_checkpoint,
    load_state,
    weights_of,
)
from lednet_mm.checkpoints.initial import initial_weights, load_initial
from lednet_mm.checkpoints.listing import checkpoints_of, number_of
from lednet_mm.checkpoints.locations import local_copy
from lednet_mm.checkpoints.reading import DamagedError, read_checkpoint
from lednet_mm.config import config_text, run_of
from lednet_mm.environment import Threads, choose_threads, keep_freed_memory, process_number
from lednet_mm.errors import InputError, describe_os_error
from lednet_mm.files import PART, file_sha256
from lednet_mm.literals import read_literals
from lednet_mm.text import one_line
from lednet_mm.training.checkpointing import read_resumable
from lednet_mm.training.loops import EpochLoop
from lednet_mm.training.on_demand import make_missing_streets
from lednet_mm.training.precision import choose_tf32
from lednet_mm.training.preflight import preflight
from lednet_mm.training.rehearsal import rehearse
from lednet_mm.training.resuming import check_continues, restore
from lednet_mm.upstream.mmengine import OpenRunner

FILE_ONLY = (
    "----",  # the environment, a page
    "Config:",
    "Hooks will be executed",
    "Distributed training is not used",
    "The prefix is not set in metric class",
    '"FileClient" will be deprecated',
    '"HardDiskBackend" is the alias',
)
"""Beginnings of mmengine's messages that stay out of the terminal."""


def _alike(samples: Sequence[Any]) -> Sequence[Any]:
    """Lay out the labels of samples alike: PyTorch compiles anew for strides that it has not seen.

    A flip, say, changes the strides, also those of axes of length 1.
    """
    for name, _ in samples[0].items():
        maps = [getattr(sample, name) for sample in samples]
        if all(isinstance(labels, PixelData) and isinstance(labels.get("data"), Tensor) for labels in maps):
            for labels, data in zip(maps, torch.stack([labels.data for labels in maps]), strict=True):
                labels.data = data
    return samples


def _end_run(handler: logging.FileHandler, record: logging.LogRecord) -> None:
    """Raise what failed while a record was written to the log, with the path of the log."""
    error = sys.exc_info()[1]
    if isinstance(error, OSError) and error.errno is not None:
        raise OSError(error.errno, error.strerror, handler.baseFilename) from error
    logging.FileHandler.handleError(handler, record)


def _go_on(record: logging.LogRecord) -> None:
    """Nothing to do: the log file has the record too."""


@RUNNERS.register_module()
class ReproducibleRunner(OpenRunner):
    """mmengine's ``Runner`` whose interrupted runs end with the weights of uninterrupted ones.

    Exact on a CPU with a fixed seed and number of threads, with ``ReproducibleSampler``,
    ``SeedAugmentation`` and ``SeedHook`` in the config.
    """

    threads: Threads
    dataset_fingerprints: dict[str, str]
    """The fingerprint of each split that the training uses."""
    config_text: str
    """The config as it was given."""
    _checked: dict[str, Any] | None = None
    """The checkpoint that :meth:`resume` goes on with, read and found to fit."""
    _written: tuple[int, Path] | None = None
    """The iteration of the newest numbered checkpoint that this run wrote or goes on from, and its file."""
    started: bool = False
    """Whether everything is built, loaded and tried: what fails from then on is not the config's mistake."""

    @classmethod
    def from_cfg(cls, cfg: Config) -> ReproducibleRunner:
        """Build the runner.

        Without a GPU the loaders get no processes of their own, which would take the cores that the network
        computes on; what is about such processes is left out of their options.
        """
        text = config_text(cfg)
        for split in ("train", "val", "test"):
            if loader := cfg.get(f"{split}_dataloader"):
                if not torch.cuda.is_available():
                    loader.num_workers = 0
                if not loader.get("num_workers"):
                    for option in (
                        "multiprocessing_context",
                        "persistent_workers",
                        "prefetch_factor",
                        "timeout",
                    ):
                        loader.pop(option, None)
        runner = super().from_cfg(cfg)
        runner.config_text = text
        runner.dataset_fingerprints = {}
        return runner

    def setup_env(self, env_cfg: dict) -> None:
        """Choose the threads, and start distributed training on CPUs where there is no GPU.

        ``tf32 = True`` or ``False`` in the config says whether a GPU may round float32 products to TF32;
        without it PyTorch's default holds, which is convolutions alone.

        Raises:
            InputError: the launcher did not start this process, or there are fewer GPUs than processes.
        """
        process_number(self.launcher)
        self.threads = choose_threads()
        if not torch.cuda.is_available():
            keep_freed_memory()
        if self.distributed and not torch.cuda.is_available() and not distributed.is_initialized():
            if self.launcher != "pytorch":
                raise InputError(f"--launcher {self.launcher} needs GPUs; on CPUs use tools/dist_train.sh")
            distributed.init_process_group("gloo")
        wanted, present = int(os.environ.get("LOCAL_WORLD_SIZE", 1)), torch.cuda.device_count()
        if self.distributed and 0 < present < wanted:
            raise InputError(f"{wanted} GPUs asked for on this machine, which has {present}")
        super().setup_env(env_cfg)
        choose_tf32(self.cfg.get("tf32"))
        torch.set_num_threads(self.threads.count)

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        """Wrap the model; distributed over CPUs, synchronised batch norm falls back to batch norm.

        ``channels_last = True`` in the config lays out weights and maps as (N, H, W, C) in memory.
        """
        if self.cfg.get("channels_last"):
            # PyTorch's annotation of ``to`` leaves this argument out.
            model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if not self.distributed or torch.cuda.is_available():
            return super().wrap_model(model_wrapper_cfg, model)
        if any(isinstance(module, nn.SyncBatchNorm) for module in model.modules()):
            self.logger.info("SyncBN needs GPUs: using BN, whose statistics are those of each process alone")
            model = revert_sync_batchnorm(model)
        return MMDistributedDataParallel(
            module=model,
            device_ids=None,
            broadcast_buffers=False,
            find_unused_parameters=self.cfg.get("find_unused_parameters", False),
        )

    def train(self) -> nn.Module:
        """Check the data, build everything, try it, then train; generated streets are made if need be."""
        make_missing_streets([self.cfg], self.logger.info)
        for split, summary in preflight(self.cfg).items():
            self.dataset_fingerprints[split] = summary.fingerprint
            for line in summary.warnings:
                self.logger.warning(f"{split} data: {line}")
        return super().train()

    def build_train_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        """Build the loop; one over epochs is :class:`EpochLoop`, which is exact on resume."""
        if isinstance(loop, dict):
            kind = loop.get("type", "EpochBasedTrainLoop" if loop.get("by_epoch") else None)
            if (LOOPS.get(kind) if isinstance(kind, str) else kind) is EpochBasedTrainLoop:
                loop = {**loop, "type": EpochLoop}
                loop.pop("by_epoch", None)
        return super().build_train_loop(loop)

    def before_loop(self, step: str) -> None:
        """Try what is built and loaded by now.

        ``compile = True`` (or a dict of options) in the config compiles the losses, forward and backward.
        mmengine would compile the whole step, whose bookkeeping PyTorch's compiler does not get through.
        """
        if step == "train_step":
            rehearse(self)
            self.started = True
            self._write_config()
        if options := self.cfg.get("compile"):
            if options is True:
                options = {"mode": "reduce-overhead"} if torch.cuda.is_available() else {}
            model: Any = self._bare_model()
            compiled = torch.compile(model.loss, **options)
            model.loss = lambda images, samples: compiled(images, _alike(samples))
            self.logger.info("compiling: the first iterations take minutes")

    def resume(self, filename: str, *unused: Any, **unused_too: Any) -> None:
        """Continue from a checkpoint, if the config is the one that it was trained under.

        mmengine's own would execute the config that a checkpoint holds, and keep the schedule of a run that
        has become longer.

        Raises:
            InputError: the checkpoint is not of this training.
        """
        if self._checked is None:
            self._checked = read_resumable(
                local_copy(filename), self._bare_model(), self.optim_wrapper, self.param_schedulers
            )
        check_continues(filename, self._checked, self)
        restore(self, filename, self.load_checkpoint(filename))
        self._written = (self.iter, Path(filename))
        self.logger.info(f"continuing after iteration {self.iter} of {self.max_iters}")

    def dump_config(self) -> None:
        """Write nothing yet: a run that is refused leaves nothing that looks like the config of a run."""

    @master_only
    def _write_config(self) -> None:
        """Write the resolved config beside the log, where no file of the user's can be in its place."""
        name = Path(self.cfg.filename or f"{self.timestamp}.py").name
        self.cfg.dump(Path(self.log_dir) / name)

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """Build the logger; what says nothing to a user reaches the log file only.

        A log that cannot be written (a full disk) ends the run; a terminal that has gone does not.
        """
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if isinstance(handler, logging.FileHandler):
                handler.handleError = partial(_end_run, handler)  # type: ignore[method-assign]
            elif type(handler) is logging.StreamHandler:
                handler.addFilter(lambda record: not record.getMessage().lstrip().startswith(FILE_ONLY))
                handler.handleError = _go_on  # type: ignore[method-assign]
        return logger

    def load_or_resume(self) -> None:
        """Load weights: to test them, to continue a run, or to begin one.

        A training that is to be resumed goes on from the newest usable checkpoint of the work folder. Where
        there is none it begins, and one that begins takes what fits of ``load_from``.

        Raises:
            InputError: checkpoints lie there that are whole, and none of them can be continued.
        """
        if self.has_loaded:
            return
        if not self.is_training:  # weights are tested
            if self.first_weights is not None:
                self.load_checkpoint(self.first_weights)
        elif not (self.is_resumed and self._resume_newest()) and self.first_weights is not None:
            self.load_what_fits(self.first_weights)

    def _resume_newest(self) -> bool:
        """Continue from the newest usable checkpoint of the work folder; say whether there is one."""
        faults: list[InputError] = []
        for path in checkpoints_of(self.work_dir):
            try:
                self._checked = read_resumable(
                    path, self._bare_model(), self.optim_wrapper, self.param_schedulers
                )
            except InputError as error:
                self.logger.warning(f"{error}; trying the checkpoint before it")
                faults.append(error)
                continue
            self.logger.info(f"resuming from {path}")
            self.resume(str(path))
            return True
        of_use = [fault for fault in faults if not isinstance(fault, DamagedError)]
        if of_use:
            more = f" (and {len(faults) - 1} more, see the log)" if len(faults) > 1 else ""
            raise InputError(
                f"no checkpoint in {self.work_dir} can be continued: {of_use[0]}{more}; "
                "move them away to start from 0, or choose another --work-dir"
            )
        self.logger.warning(f"nothing to resume: no readable checkpoint in {self.work_dir}; starting from 0")
        return False

    def load_checkpoint(
        self,
        filename: str,
        map_location: Any = "cpu",
        strict: bool = True,
        revise_keys: list | None = None,
    ) -> dict:
        """Load a checkpoint into the model: no code from the file, every tensor and no other.

        Raises:
            InputError: unreadable, of another network or variant, or with weights that are not finite.
        """
        checkpoint, self._checked = self._checked, None
        if checkpoint is None:
            checkpoint = read_checkpoint(local_copy(filename), map_location)
            meta_of(checkpoint, filename)
            if different := compare_with_config(checkpoint, self._own_config(), filename):
                self.logger.warning(describe_differences(filename, different))
        model = self._bare_model()
        checkpoint["state_dict"] = weights_of(checkpoint, filename, model.state_dict())
        self.call_hook("after_load_checkpoint", checkpoint=checkpoint)
        load_state(model, checkpoint["state_dict"], filename)
        self.has_loaded = True
        # MMEngine's resume, which this returns to, executes the text under "config" as Python.
        meta = meta_of(checkpoint, filename)
        return {**checkpoint, "meta": {key: value for key, value in meta.items() if key != "config"}}

    def load_what_fits(self, filename: str) -> None:
        """Load the tensors of a checkpoint that this model has a place for, as initial weights.

        It may be of the network, with another number of classes too, or of its encoder alone. What was loaded
        and what was left is said in one line, and kept with the checkpoints for the record.

        Raises:
            InputError: unreadable, not finite, or nothing of it fits the encoder.
        """
        path = local_copy(filename)
        checkpoint = read_checkpoint(path)
        model = self._bare_model()
        checkpoint["state_dict"] = initial_weights(checkpoint, filename, model.state_dict())
        self.call_hook("after_load_checkpoint", checkpoint=checkpoint)
        line, told = load_initial(model, checkpoint["state_dict"], filename)
        self.logger.info(f"initial weights from {line}")
        file = {"file": one_line(path.name)[:300], "sha256": file_sha256(path)}
        self.message_hub.update_info("began_from", {**file, **told})
        self.has_loaded = True

    def save_checkpoint(
        self, out_dir: str, filename: str, *args: Any, meta: dict | None = None, **kwargs: Any
    ) -> None:
        """Look at the weights, write a checkpoint beside its place, then move it there whole.

        The config and the run are kept in it, for whoever uses its weights to compare.

        Raises:
            InputError: a weight is NaN or infinite, or the file cannot be written; earlier ones are as they
                were.
        """
        if fault := describe_not_finite(self._bare_model().state_dict()):
            good = last_good_checkpoint(out_dir)
            raise InputError(
                f"the weights are no longer finite at iteration {self.iter + 1}: {fault}; the last good "
                f"checkpoint is {good or 'none (none was written yet)'}; lower the learning rate, or look at "
                "the batch with tools/check_dataset.py"
            )
        run = run_of(self.cfg, self.seed).model_dump()
        meta = {**(meta or {}), "config": self.config_text, "run": run}
        target = Path(out_dir) / filename
        part = target.with_name(f"{filename}{PART}")
        try:
            if is_main_process():
                part.unlink(missing_ok=True)  # what a run that was cut off left there, or a link
            super().save_checkpoint(out_dir, part.name, *args, meta=meta, **kwargs)
            if is_main_process():
                with part.open("rb") as file:
                    os.fsync(file.fileno())
                part.replace(target)
            if number_of(target) is not None:
                self._written = (int(meta.get("iter") or self.iter), target)
        except OSError as error:
            raise InputError(f"the checkpoint cannot be written: {_of(target, error)}") from error
        finally:
            if is_main_process():
                part.unlink(missing_ok=True)

    def file_of_weights(self) -> Path | None:
        """Return the checkpoint of the weights as they are now; None if this run has no such file.

        What else lies in the work folder, whatever its number, was not written by this run.
        """
        iteration, path = self._written or (None, None)
        return path if path is not None and iteration == self.iter and path.is_file() else None

    def _bare_model(self) -> nn.Module:
        """Return the model without what parallel training and test-time augmentation wrap it in."""
        model = self.model
        while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
            model = model.module
        return model

    def _own_config(self) -> dict[str, Any]:
        """Return the config as it was given."""
        try:
            return read_literals(self.config_text)
        except ValueError:  # classes and functions in it, as MMSegmentation allows
            return self.cfg.to_dict()


def _of(path: Path, error: OSError) -> str:
    return describe_os_error(OSError(error.errno, error.strerror or str(error), str(path)))
