"""Training a config, as tools/train.py and studies start it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from mmengine.registry import RUNNERS

from lednet_mm.checkpoints.files import checkpoints_of
from lednet_mm.config import load_config
from lednet_mm.errors import InputError


def train(
    config_path: str | Path,
    *,
    work_dir: str | Path,
    resume: bool = False,
    seed: int | None = None,
    amp: bool = False,
    compile_step: bool = False,
    launcher: str = "none",
    options: Mapping | None = None,
) -> None:
    """Train a config from the start, or on from the newest readable checkpoint of ``work_dir``.

    Args:
        config_path: the config file.
        work_dir: takes checkpoints, logs and records.
        resume: continue; without a checkpoint the run starts from 0 and says so.
        seed: of everything random; None keeps the config's.
        amp: automatic mixed precision.
        compile_step: ``torch.compile`` the training step.
        launcher: ``none``, or what started the processes: ``pytorch``, ``slurm``, ``mpi``.
        options: changes to the config, ``{"train_cfg.max_iters": 2}``.

    Raises:
        InputError: anything the user gave is wrong, the data are faulty, or the loss is no longer a number.
    """
    config = load_config(config_path, options, seed)
    if not config.get("train_dataloader"):
        raise InputError(f"{config_path}: no train_dataloader in this config")
    earlier = checkpoints_of(work_dir)
    if earlier and not resume:
        raise InputError(
            f"{work_dir} holds checkpoints of an earlier run ({earlier[0].name}): continue it with --resume, "
            "or choose another --work-dir"
        )
    if amp:
        if not torch.cuda.is_available():
            raise InputError("--amp needs a GPU: this machine has none that PyTorch can use")
        config.optim_wrapper.update(type="AmpOptimWrapper", loss_scale="dynamic")
    if compile_step:
        config.compile = True
    config.work_dir, config.resume, config.launcher = str(work_dir), resume, launcher
    config.setdefault("runner_type", "ReproducibleRunner")
    RUNNERS.build(config).train()
