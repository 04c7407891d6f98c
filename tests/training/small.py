"""A training in a few seconds, of any network by any recipe on a small generated dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SHALLOW = {"model.backbone.blocks": (1, 1), "model.backbone.dilations": (1, 2)}
"""Options that leave 4 of LEDNet's 13 blocks."""


def small(data: Path, iterations: int = 2, **more: Any) -> dict[str, Any]:
    """Return the options of a training on generated streets of 64x128.

    Args:
        data: folder of the streets.
        iterations: length of the training, which is validated at its end and saved after each iteration.
        more: further options, with ``__`` for dots.
    """
    pipeline = [{"type": kind} for kind in ("SeedAugmentation", "LoadImage", "LoadLabels", "PackSegInputs")]
    return {
        **{f"{split}_dataloader.dataset.data_root": str(data) for split in ("train", "val", "test")},
        "train_dataloader.batch_size": 2,
        "train_dataloader.dataset.pipeline": pipeline,
        "model.data_preprocessor.size": (64, 128),
        "train_cfg.max_iters": iterations,
        "train_cfg.val_interval": iterations,
        "default_hooks.checkpoint.interval": 1,
        **{key.replace("__", "."): value for key, value in more.items()},
    }
