"""Train a config; tools/train.py and studies use this."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

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
from lednet_mm.training.mixed_precision import mixed_precision_wrapper
from lednet_mm.training.rehearsal import RehearsalError
from lednet_mm.training.stages import stages_of, train_stages


def train(
    choice: str | Path | Choice,
    *,
    work_dir: str | Path,
    resume: bool = False,
    pretrained: str | Path | None = None,
    seed: int | None = None,
    amp: bool = False,
    compile_step: bool = False,
    tracker: str | None = None,
    launcher: str = "none",
    options: Mapping | None = None,
    locked: bool = False,
) -> Path:
    """Train a config from the start, or continue from the newest readable checkpoint of ``work_dir``.

    A run that begins takes the tensors that fit from the checkpoint in the config's ``load_from``, if any. If
    the config has an earlier stage, that is trained before, in a folder of ``work_dir``, and the run begins
    from its weights.

    Args:
        choice: the config file, or the names that make up a config, see :class:`~lednet_mm.config.Choice`.
        work_dir: folder for checkpoints, logs and records; only one training at a time can use it.
        resume: whether to continue; without a checkpoint the run starts from 0 and says so.
        pretrained: checkpoint that replaces the ``load_from`` of the config, or of its earliest stage.
        seed: seed of all random numbers; None keeps the config's.
        amp: whether to use automatic mixed precision: fp16 on a GPU, bf16 on a CPU that gains by it.
        compile_step: whether to compile the training step with ``torch.compile``.
        tracker: name of MMEngine's backend to which figures and pictures go, beside the log.
        launcher: ``none``, or the launcher that started the processes: ``pytorch``, ``slurm`` or ``mpi``.
        options: changes to the config, such as ``{"train_cfg.max_iters": 2}``.
        locked: whether the caller already holds the lock of ``work_dir``, as a sweep does.

    Returns:
        The folder with the records.

    Raises:
        InputError: the user's input is wrong, the data are faulty, mixed precision gains nothing, or the loss
            is NaN or infinite.
    """
    stages = stages_of(load_config(choice, options, seed), Path(work_dir))
    mixed = mixed_precision_wrapper() if amp else {}
    for config, folder in stages:
        if not config.get("train_dataloader"):
            raise InputError(f"{choice}: no train_dataloader in this config")
        check_settings(config)
        if amp:
            config.optim_wrapper.update(mixed)
        if compile_step:
            config.compile = True
        if tracker is not None:
            config.visualizer.vis_backends = [*config.visualizer.vis_backends, {"type": tracker}]
        config.work_dir, config.resume, config.launcher = str(folder), resume, launcher
        config.setdefault("runner_type", "ReproducibleRunner")
    if pretrained is not None:
        stages[0][0].load_from = str(pretrained)
    first = process_number(launcher) == 0
    require_writable(work_dir)
    with _hold(work_dir) if first and not locked else nullcontext():
        earlier = [path for _, folder in reversed(stages) for path in checkpoints_of(folder)]
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
        train_stages(stages, _run)
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

    An error before the first iteration is caused by the config. It is reported in one line, and the log keeps
    the traceback, because the error may still be a defect of this project.
    """
    began = time.time()
    runner: Any = None
    try:
        runner = RUNNERS.build(config)
        runner.train()
    except OSError as error:
        if error.filename is None and error.errno is not None:  # a failed write, whose error names no file
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
