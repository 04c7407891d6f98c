"""Training a config, as tools/train.py and studies start it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import RUNNERS

from lednet_mm.checkpoints.listing import checkpoints_of
from lednet_mm.config import Choice, load_config
from lednet_mm.datasets.base import SettingsError
from lednet_mm.environment import process_number
from lednet_mm.errors import InputError
from lednet_mm.files import FolderLock, holder_of, require_writable
from lednet_mm.training.agreement import check_settings
from lednet_mm.training.causes import explain, keep_traceback
from lednet_mm.training.rehearsal import RehearsalError


def train(
    choice: str | Path | Choice,
    *,
    work_dir: str | Path,
    resume: bool = False,
    pretrained: str | Path | None = None,
    seed: int | None = None,
    amp: bool = False,
    compile_step: bool = False,
    launcher: str = "none",
    options: Mapping | None = None,
    locked: bool = False,
) -> Path:
    """Train a config from the start, or on from the newest readable checkpoint of ``work_dir``.

    A run that begins takes what fits of the checkpoint that ``load_from`` of the config names, if any.

    Args:
        choice: the config file, or names, see :class:`~lednet_mm.config.Choice`.
        work_dir: takes checkpoints, logs and records; no two trainings at a time work in it.
        resume: continue; without a checkpoint the run starts from 0 and says so.
        pretrained: a checkpoint that takes the place of the config's ``load_from``.
        seed: of everything random; None keeps the config's.
        amp: automatic mixed precision.
        compile_step: ``torch.compile`` the training step.
        launcher: ``none``, or what started the processes: ``pytorch``, ``slurm``, ``mpi``.
        options: changes to the config, ``{"train_cfg.max_iters": 2}``.
        locked: whether the caller holds the lock of ``work_dir`` already, as a sweep does.

    Returns:
        The folder with the records.

    Raises:
        InputError: anything the user gave is wrong, the data are faulty, or the loss is no longer a number.
    """
    config = load_config(choice, options, seed)
    if not config.get("train_dataloader"):
        raise InputError(f"{choice}: no train_dataloader in this config")
    check_settings(config)
    if amp:
        if not torch.cuda.is_available():
            raise InputError("--amp needs a GPU: this machine has none that PyTorch can use")
        config.optim_wrapper.update(type="AmpOptimWrapper", loss_scale="dynamic")
    if compile_step:
        config.compile = True
    config.work_dir, config.resume, config.launcher = str(work_dir), resume, launcher
    if pretrained is not None:
        config.load_from = str(pretrained)
    config.setdefault("runner_type", "ReproducibleRunner")
    first = process_number(launcher) == 0
    require_writable(work_dir)
    with _hold(work_dir) if first and not locked else nullcontext():
        earlier = checkpoints_of(work_dir)
        if first and earlier and not resume:
            raise InputError(
                f"{work_dir} holds checkpoints of an earlier run ({earlier[0].name}): continue it with "
                "--resume, or choose another --work-dir"
            )
        if first and earlier and pretrained is not None:
            raise InputError(
                f"--pretrained {pretrained}: {work_dir} holds checkpoints of an earlier run "
                f"({earlier[0].name}), which --resume continues from: leave one of the two options out, or "
                "choose another --work-dir"
            )
        _run(config, work_dir)
    return Path(work_dir) / "records"


def _hold(work_dir: str | Path) -> FolderLock:
    lock = FolderLock.take(work_dir)
    if lock is None:
        raise InputError(
            f"{holder_of(work_dir)} is training in {work_dir}: wait for its end, or choose another --work-dir"
        )
    return lock


def _run(config: Config, work_dir: str | Path) -> None:
    """Build the runner and train.

    What fails before the first iteration has its cause in the config: it ends with one line, and its
    traceback is kept in the log, as it may be a defect of this project all the same.
    """
    began = time.time()
    runner: Any = None
    try:
        runner = RUNNERS.build(config)
        runner.train()
    except OSError as error:
        if error.filename is None and error.errno is not None:  # of a write, which does not say where
            error.filename = str(work_dir)
        raise
    except Exception as error:
        told = isinstance(error, InputError) and not isinstance(error, (RehearsalError, SettingsError))
        if told or getattr(runner, "started", False):
            raise
        cause = error.__cause__ if isinstance(error, SettingsError) and error.__cause__ else error
        reason = str(error) if isinstance(error, RehearsalError) else explain(cause, config)
        more = keep_traceback(work_dir, began)
        raise InputError(f"{config.filename}: {reason} ({more})") from error
