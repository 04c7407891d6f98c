"""A training in a few seconds, of any network by any recipe on a small dataset on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lednet_mm.config import Choice, keys_of, load_config

SIZES = {"crop_size": False, "size": True, "scale": True}
"""Keys of transforms that are sizes, and whether they are width and height instead of height and width."""
FEWER_BLOCKS = {
    "lednet": {"model.backbone.blocks": (1, 1), "model.backbone.dilations": (1, 2)},
    "dabnet": {"model.backbone.dilations": ((2,), (4, 16))},
}


def small(
    choice: Choice, data: Path, *, shape: tuple[int, int] = (64, 128), iterations: int = 2
) -> dict[str, Any]:
    """Return the options of a training on a small dataset in the layout of the choice's dataset.

    The augmentation, the loss and everything else of the recipe stay, at a smaller size.

    Args:
        choice: network, dataset and recipe.
        data: folder of the small dataset.
        shape: height and width of its images.
        iterations: length of each stage, which is validated at its end and saved after each iteration.
    """
    height, width = shape
    config = load_config(choice, imports=False).to_dict()
    options: dict[str, Any] = {}
    for key, value in keys_of(config):
        *place, name = key.split(".")
        if not any(part.endswith("_dataloader") for part in place):
            continue
        if name == "data_root":
            options[key] = str(data)
        elif name in SIZES and isinstance(value, tuple):
            options[key] = (width, height) if SIZES[name] else (height, width)
    return {
        **options,
        **FEWER_BLOCKS.get(choice.source, {}),
        "train_dataloader.batch_size": 2,
        "model.data_preprocessor.size": shape,
        "train_cfg.max_iters": iterations,
        "train_cfg.val_interval": iterations,
        "default_hooks.checkpoint.interval": 1,
        "default_hooks.checkpoint.max_keep_ckpts": iterations,
        **({"earlier_stage.model.data_preprocessor.size": shape} if "earlier_stage" in config else {}),
    }
