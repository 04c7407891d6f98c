"""How a run was trained and tested, read from its resolved config: what must be the same in one column."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from functools import cache
from typing import Any

PARTS = ("optim_wrapper", "param_scheduler", "train_cfg", "train_dataloader", "test_dataloader")
MAY_BE_PARTS = ("earlier_stage",)
# Where data lies, how often is validated and how many processes load are no part of a recipe.
NO_PART = {"data_root", "val_interval", "num_workers", "persistent_workers", "dynamic_intervals"}
SECTION = re.compile(r"^(\w+) = (.*?)(?=^\w+ = |\Z)", re.MULTILINE | re.DOTALL)


def recipe_of(text: str) -> str | None:
    """Describe the recipe in a resolved config, the same words for the same recipe and no other.

    Args:
        text: the config as records keep it, see :func:`lednet_mm.config.config_text`.

    Returns:
        Optimizer, length, images, size; and eight digits of the recipe's sha256. None where the text says
        nothing of a training.
    """
    sections = {name: value for name, value in SECTION.findall(text) if name in {*PARTS, *MAY_BE_PARTS}}
    if "train_cfg" not in sections:
        return None
    present = [part for part in MAY_BE_PARTS if part in sections]
    return _describe(tuple(sections.get(part, "None") for part in (*PARTS, *present)))


@cache
def _describe(sections: tuple[str, ...]) -> str:
    try:
        parts = [_trim(ast.literal_eval(section.strip())) for section in sections]
        written = json.dumps(parts, sort_keys=True, default=str)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        written, parts = repr(sections), [None] * len(sections)  # no literals: compared as they are written
    digest = hashlib.sha256(written.encode()).hexdigest()[:8]
    optim, _, loop, train, test, *_ = parts
    optimizer = _at(optim, "optimizer")
    words = []
    if isinstance(rate := _at(optimizer, "lr"), (int, float)):
        shown = f"{rate:g}" if isinstance(rate, float) else _word(rate)
        words.append(f"{_word(_at(optimizer, 'type')) or 'optimizer'} {shown}")
    length = next((f"{_word(_at(loop, k))} {k[4:]}" for k in ("max_iters", "max_epochs") if _at(loop, k)), "")
    images = f"{_word(_at(train, 'batch_size'))} images" if _at(train, "batch_size") else ""
    if length or images:
        words.append(" of ".join(filter(None, (length, images))).replace("iters", "iterations"))
    if crop := _step(train, "RandomCrop", "crop_size"):
        words.append(f"crops of {crop[1]}x{crop[0]}")
    if scale := _step(test, "Resize", "scale"):
        words.append(f"tested at {scale[0]}x{scale[1]}")
    return f"{', '.join(words)} ({digest})" if words else digest


def _trim(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _trim(item) for key, item in value.items() if key not in NO_PART}
    return [_trim(item) for item in value] if isinstance(value, (list, tuple)) else value


def _at(value: Any, key: str) -> Any:
    """Return an entry of a mapping; None where it has none, or is none."""
    return value.get(key) if isinstance(value, dict) else None


def _word(value: Any) -> str:
    return str(value)[:40] if isinstance(value, (str, int, float)) else ""


def _step(loader: Any, kind: str, key: str) -> tuple[str, str] | None:
    """Return a pair that the first step of a kind in a loader's pipeline sets; None without one."""
    steps = _at(_at(loader, "dataset"), "pipeline")
    for step in steps if isinstance(steps, list) else ():
        if _at(step, "type") == kind and key in step:
            value = step[key]
            return (_word(value[0]), _word(value[1])) if isinstance(value, list) and len(value) == 2 else None
    return None
