"""The runner of every config here: mmengine's runner, made exact on resume and safe with its files.

It adds the following: a checkpoint appears complete or not at all; resuming takes the newest readable
checkpoint; files are loaded strictly and without executing code; data, config and one batch are tried before
the first iteration; a run continues only under the same settings; distributed training also runs on CPUs.
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
from lednet_mm.training.averaging import take_up
from lednet_mm.training.checkpointing import read_resumable
from lednet_mm.training.loops import EpochLoop
from lednet_mm.training.on_demand import make_missing_streets
from lednet_mm.training.precision import choose_tf32
from lednet_mm.training.precision_gain import require_gain
from lednet_mm.training.preflight import preflight
from lednet_mm.training.rehearsal import rehearse
from lednet_mm.training.resuming import check_continues, restore
from lednet_mm.upstream.mmengine import OpenRunner

FILE_ONLY = (
    "----",  # the description of the environment, which fills a page
    "Config:",
    "Hooks will be executed",
    "Distributed training is not used",
    "The prefix is not set in metric class",
    '"FileClient" will be deprecated',
    '"HardDiskBackend" is the alias',
)
"""Beginnings of mmengine's messages that appear in the log file but not in the terminal."""


def _alike(samples: Sequence[Any]) -> Sequence[Any]:
    """Give the labels of all samples the same memory layout, as PyTorch recompiles for strides that are new.

    A flip, for example, changes the strides, even those of axes of length 1.
    """
    for name, _ in samples[0].items():
        maps = [getattr(sample, name) for sample in samples]
        if all(isinstance(labels, PixelData) and isinstance(labels.get("data"), Tensor) for labels in maps):
            for labels, data in zip(maps, torch.stack([labels.data for labels in maps]), strict=True):
                labels.data = data
    return samples


def _end_run(handler: logging.FileHandler, record: logging.LogRecord) -> None:
    """Raise the error that occurred while a record was written to the log, with the path of the log."""
    error = sys.exc_info()[1]
    if isinstance(error, OSError) and error.errno is not None:
        raise OSError(error.errno, error.strerror, handler.baseFilename) from error
    logging.FileHandler.handleError(handler, record)


def _go_on(record: logging.LogRecord) -> None:
    """Ignore the error: the log file has the record too."""


@RUNNERS.register_module()
class ReproducibleRunner(OpenRunner):
    """mmengine's ``Runner`` whose interrupted runs end with the weights of uninterrupted ones.

    This holds exactly on a CPU with a fixed seed and number of threads, if the config uses
    ``ReproducibleSampler``, ``SeedAugmentation`` and ``SeedHook``.
    """

    threads: Threads
    dataset_fingerprints: dict[str, str]
    """The fingerprint of each split that the training uses."""
    config_text: str
    """The original config."""
    _checked: dict[str, Any] | None = None
    """The checkpoint from which :meth:`resume` continues, already read and checked."""
    _written: tuple[int, Path] | None = None
    """The iteration and file of the newest numbered checkpoint that this run wrote or continues from."""
    started: bool = False
    """Whether everything is built, loaded and tried; errors after that are not mistakes in the config."""

    @classmethod
    def from_cfg(cls, cfg: Config) -> ReproducibleRunner:
        """Build the runner.

        Without a GPU, the loaders get no worker processes, which would take cores from the network; options
        for such processes are then removed from the loaders' configs.
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
        """Set the number of threads, and start distributed training on CPUs if there is no GPU.

        ``tf32 = True`` or ``False`` in the config says whether a GPU may round float32 products to TF32.
        Without it, PyTorch's default applies, which rounds convolutions only.

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
            raise InputError(f"{wanted} GPUs are asked for, but this machine has {present}")
        super().setup_env(env_cfg)
        choose_tf32(self.cfg.get("tf32"))
        torch.set_num_threads(self.threads.count)

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        """Wrap the model; for distributed training on CPUs, SyncBN is replaced by BN.

        With ``channels_last = True`` in the config, weights and maps are (N, H, W, C) in memory.
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
        """Generate missing streets data, check the data, build everything, try it, then train."""
        make_missing_streets([self.cfg], self.logger.info)
        for split, summary in preflight(self.cfg).items():
            self.dataset_fingerprints[split] = summary.fingerprint
            for line in summary.warnings:
                self.logger.warning(f"{split} data: {line}")
        return super().train()

    def build_train_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        """Build the loop; for epochs it is :class:`EpochLoop`, which is exact on resume."""
        if isinstance(loop, dict):
            kind = loop.get("type", "EpochBasedTrainLoop" if loop.get("by_epoch") else None)
            if (LOOPS.get(kind) if isinstance(kind, str) else kind) is EpochBasedTrainLoop:
                loop = {**loop, "type": EpochLoop}
                loop.pop("by_epoch", None)
        return super().build_train_loop(loop)

    def before_loop(self, step: str) -> None:
        """Try everything that has been built and loaded.

        ``compile = True`` (or a dict of options) in the config compiles the forward and backward pass of the
        losses. mmengine would compile the whole step, with bookkeeping that PyTorch cannot compile.
        """
        if step == "train_step":
            rehearse(self)
            require_gain(self)
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
        """Continue from a checkpoint, if it was trained under this config.

        mmengine's method would execute the config in the checkpoint, and would keep the old schedule for a
        run that has become longer.

        Raises:
            InputError: the checkpoint does not belong to this training.
        """
        if self._checked is None:
            self._checked = read_resumable(
                local_copy(filename), self._bare_model(), self.optim_wrapper, self.param_schedulers
            )
        check_continues(filename, self._checked, self)
        checkpoint = self.load_checkpoint(filename)
        restore(self, filename, checkpoint)
        take_up(self, checkpoint, filename)
        self._written = (self.iter, Path(filename))
        self.logger.info(f"continuing after iteration {self.iter} of {self.max_iters}")

    def dump_config(self) -> None:
        """Write nothing yet: a run that is refused must not leave a file that looks like its config."""

    @master_only
    def _write_config(self) -> None:
        """Write the resolved config beside the log, under a name that overwrites no file of the user's."""
        name = Path(self.cfg.filename or f"{self.timestamp}.py").name
        self.cfg.dump(Path(self.log_dir) / name)

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """Build the logger; messages that do not help a user go to the log file only.

        The run ends if the log cannot be written (on a full disk), but not if the terminal is closed.
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
        """Load weights in order to test them, to continue a run, or to begin one.

        A training that is to be resumed continues from the newest usable checkpoint of the work folder. If
        there is none, it begins, and takes the tensors that fit from the checkpoint in ``load_from``.

        Raises:
            InputError: there are undamaged checkpoints, but the training cannot continue from any of them.
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
        """Load a checkpoint into the model without executing code; all tensors must match exactly.

        Raises:
            InputError: the file is unreadable, belongs to another network or variant, or has weights that
                are not finite.
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
        # MMEngine's resume, which calls this method, executes the text under "config" as Python.
        meta = meta_of(checkpoint, filename)
        return {**checkpoint, "meta": {key: value for key, value in meta.items() if key != "config"}}

    def load_what_fits(self, filename: str) -> None:
        """Load the tensors of a checkpoint that fit this model, as initial weights.

        The checkpoint may belong to this network, even with another number of classes, or to its encoder
        alone. One line says what was loaded and what was not; checkpoints keep it for the record.

        Raises:
            InputError: the file is unreadable or not finite, or none of its tensors fits the encoder.
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
        """Check the weights, write a checkpoint to a temporary file, then move it into place.

        The checkpoint includes the config and the description of the run, so that users of its weights can
        compare them with theirs.

        Raises:
            InputError: a weight is NaN or infinite, or the file cannot be written; earlier checkpoints stay
                unchanged.
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
                part.unlink(missing_ok=True)  # remains of an interrupted run, or a link
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
        """Return the checkpoint file of the current weights; None if this run has no such file.

        Other files in the work folder do not count, whatever their number: this run did not write them.
        """
        iteration, path = self._written or (None, None)
        return path if path is not None and iteration == self.iter and path.is_file() else None

    def _bare_model(self) -> nn.Module:
        """Return the model without the wrappers of parallel training and test-time augmentation."""
        model = self.model
        while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
            model = model.module
        return model

    def _own_config(self) -> dict[str, Any]:
        """Return the original config."""
        try:
            return read_literals(self.config_text)
        except ValueError:  # it holds classes or functions, as MMSegmentation allows
            return self.cfg.to_dict()


def _of(path: Path, error: OSError) -> str:
    return describe_os_error(OSError(error.errno, error.strerror or str(error), str(path)))
