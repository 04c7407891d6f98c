"""The runner of every config here: mmengine's, made exact on resume and safe with its files.

What it adds: checkpoints appear whole or not at all; resuming takes the newest one that can be read; files
are loaded without executing code and strictly; data are checked before the first iteration; distributed
training runs on CPUs too.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.logging import MMLogger
from mmengine.model import MMDistributedDataParallel
from mmengine.model.utils import revert_sync_batchnorm
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from torch import distributed, nn

from lednet_mm.checkpoints.files import checkpoints_of, load_state, model_state, read_checkpoint
from lednet_mm.config import config_text
from lednet_mm.environment import Threads, choose_threads, keep_freed_memory
from lednet_mm.errors import InputError
from lednet_mm.training.preflight import preflight

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

PLAIN = (str, int, float, bool, type(None))


def plain_values(info: dict[str, Any]) -> dict[str, Any]:
    """Return the entries that a checkpoint may hold: numbers, text, and lists and mappings of them."""

    def is_plain(value: Any) -> bool:
        if isinstance(value, (list, tuple)):
            return all(is_plain(item) for item in value)
        if isinstance(value, dict):
            return all(is_plain(item) for pair in value.items() for item in pair)
        return type(value) in PLAIN

    return {key: value for key, value in info.items() if is_plain(value)}


@RUNNERS.register_module()
class ReproducibleRunner(Runner):
    """mmengine's ``Runner`` whose interrupted runs end with the weights of uninterrupted ones.

    Exact on a CPU with a fixed seed and number of threads, with ``ReproducibleSampler``,
    ``SeedAugmentation`` and ``SeedHook`` in the config.
    """

    threads: Threads
    dataset_fingerprint: str | None = None
    config_text: str
    """The config as it was given."""

    @classmethod
    def from_cfg(cls, cfg: Config) -> ReproducibleRunner:
        """Build the runner.

        Every schedule without an end runs to the last iteration. Without a GPU the loaders get no processes
        of their own: they would take the cores that the network computes on.
        """
        text = config_text(cfg)
        schedules = cfg.get("param_scheduler") or []
        max_iters = (cfg.get("train_cfg") or {}).get("max_iters")
        for schedule in schedules if isinstance(schedules, (list, tuple)) else [schedules]:
            if max_iters and not schedule.get("by_epoch", True):
                schedule.setdefault("end", max_iters)
        if not torch.cuda.is_available():
            for split in ("train", "val", "test"):
                if cfg.get(f"{split}_dataloader"):
                    cfg[f"{split}_dataloader"].update(num_workers=0, persistent_workers=False)
        runner = super().from_cfg(cfg)
        runner.config_text = text
        return runner

    def setup_env(self, env_cfg: dict) -> None:
        """Choose the threads, and start distributed training on CPUs where there is no GPU."""
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
        """Check the data, then train."""
        self.dataset_fingerprint = preflight(self.cfg)
        return super().train()

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """Build the logger; what says nothing to a user reaches the log file only."""
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if type(handler) is logging.StreamHandler:
                handler.addFilter(lambda record: not record.getMessage().lstrip().startswith(FILE_ONLY))
        return logger

    def load_or_resume(self) -> None:
        """Load ``load_from``, or continue from the newest readable checkpoint of the work folder."""
        if self._has_loaded:
            return
        if not self._resume or self._load_from is not None:
            super().load_or_resume()
            return
        for path in checkpoints_of(self.work_dir):
            try:
                read_checkpoint(path)
            except InputError as error:
                self.logger.warning(f"{error}; trying the checkpoint before it")
                continue
            self.logger.info(f"resuming from {path}")
            self.resume(str(path))
            return
        self.logger.warning(f"nothing to resume: no readable checkpoint in {self.work_dir}; starting from 0")

    def load_checkpoint(
        self,
        filename: str,
        map_location: Any = "cpu",
        strict: bool = True,
        revise_keys: list | None = None,
    ) -> dict:
        """Load a checkpoint into the model: no code from the file, every tensor and no other.

        Raises:
            InputError: unreadable, or of another network.
        """
        checkpoint = read_checkpoint(filename, map_location)
        self.call_hook("after_load_checkpoint", checkpoint=checkpoint)
        model = self.model.module if isinstance(self.model, MMDistributedDataParallel) else self.model
        load_state(model, model_state(checkpoint), filename)
        self._has_loaded = True
        return checkpoint

    def save_checkpoint(self, out_dir: str, filename: str, *args: Any, **kwargs: Any) -> None:
        """Write a checkpoint beside its place, then move it there whole."""
        part = f"{filename}.part"
        super().save_checkpoint(out_dir, part, *args, **kwargs)
        if is_main_process():
            written = Path(out_dir) / part
            with written.open("rb") as file:
                os.fsync(file.fileno())
            written.replace(Path(out_dir) / filename)
