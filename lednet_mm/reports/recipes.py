"""How a run was trained and tested, read from its resolved config: what must be the same in one column."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from functools import cache
from typing import Any

PARTS = ("optim_wrapper", "param_scheduler", "train_cfg", "train_dataloader", "test_dataloader")
# Where data lies, how often is validated and how many processes load are no part of a recipe.
NO_PART = {"data_root", "val_interval", "num_workers", "persistent_workers", "dynamic_intervals"}
SECTION = re.compile(r"^(\w+) = (.*?)(?=^\w+ = |\Z)", re.MULTILINE | re.DOTALL)


def recipe_of(text: str) -> str | None:
    """Describe the recipe in a resolved config, the same words for the same recipe and no other.

    Args:
        text: as records keep it, see :func:`lednet_mm.config.config_text`.

    Returns:
        Optimizer, length, images, size; and eight digits of the recipe's sha256. None where the text says
        nothing of a training.
    """
    sections = {name: value for name, value in SECTION.findall(text) if name in PARTS}
    return _describe(tuple(sections.get(part, "None") for part in PARTS)) if "train_cfg" in sections else None


@cache
def _describe(sections: tuple[str, ...]) -> str:
    try:
        parts = [_trim(ast.literal_eval(section.strip())) for section in sections]
    except (ValueError, SyntaxError):  # values that are no literals: compared as they are written
        return hashlib.sha256(repr(sections).encode()).hexdigest()[:8]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:8]
    optim, _, loop, train, test = (part if isinstance(part, dict) else {} for part in parts)
    optimizer = optim.get("optimizer", {})
    words = []
    if "lr" in optimizer:
        words.append(f"{optimizer.get('type', 'optimizer')} {optimizer['lr']:g}")
    length = next((f"{loop[k]} {k[4:]}" for k in ("max_iters", "max_epochs") if k in loop), "")
    images = f"{train['batch_size']} images" if "batch_size" in train else ""
    if length or images:
        words.append(" of ".join(filter(None, (length, images))).replace("iters", "iterations"))
    if crop := _step(train, "RandomCrop", "crop_size"):
        words.append(f"crops of {crop[1]}x{crop[0]}")
    if scale := _step(test, "Resize", "scale"):
        words.append(f"tested at {scale[0]}x{scale[1]}")
    return f"{', '.join(words)} ({digest})"


def _trim(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _trim(item) for key, item in value.items() if key not in NO_PART}
    return [_trim(item) for item in value] if isinstance(value, (list, tuple)) else value


def _step(loader: dict, kind: str, key: str) -> Any:
    """Return a setting of the first step of a kind in a loader's pipeline; None where there is none."""
    steps = loader.get("dataset", {}).get("pipeline", [])
    found = next((step for step in steps if step.get("type") == kind and key in step), None)
    value = found[key] if found else None
    return value if isinstance(value, list) and len(value) == 2 else None
