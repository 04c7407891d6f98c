"""Describe how a run was trained and tested, from its resolved config."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from typing import Any

from lednet_mm.config import keys_of

PARTS = ("optim_wrapper", "param_scheduler", "train_cfg", "train_dataloader", "test_dataloader")
MAY_BE_PARTS = ("earlier_stage",)
# The place of the data, the interval of validation and the number of loading processes do not change results.
NO_PART = {"data_root", "val_interval", "num_workers", "persistent_workers", "dynamic_intervals"}
BEGINNING = re.compile(r"^(\w+) = ", re.MULTILINE)


def recipe_of(text: str, tuned: Mapping[str, Any] | None = None) -> str | None:
    """Describe the recipe in a resolved config, so that two runs have the same text only for the same recipe.

    If a key was tuned for each network by the same search, its value is not a part of the recipe: networks
    have the same recipe although their values differ. This holds only for a run that has the chosen values.

    Args:
        text: text of the config in the form that :func:`lednet_mm.config.config_text` writes.
        tuned: the values that were chosen for this network, by their config keys; None if it was not tuned.

    Returns:
        The optimiser, the length of the training, the batch size and the image size, followed by eight digits
        of the recipe's sha256. None if the config has no training.
    """
    _, *pieces = BEGINNING.split(text)
    sections = dict(zip(pieces[::2], pieces[1::2], strict=True))
    if "train_cfg" not in sections:
        return None
    present = [part for part in MAY_BE_PARTS if part in sections]
    names = (*PARTS, *present)
    values = tuple((key, _written(value)) for key, value in sorted((tuned or {}).items()))
    return _describe(names, tuple(sections.get(name, "None") for name in names), values)


@cache
def _describe(names: tuple[str, ...], sections: tuple[str, ...], tuned: tuple[tuple[str, str], ...]) -> str:
    try:
        read = {name: ast.literal_eval(text.strip()) for name, text in zip(names, sections, strict=True)}
        found = dict(keys_of(read)) if tuned else {}
        if any(_written(found.get(key)) != value for key, value in tuned if key.split(".")[0] in read):
            tuned = ()  # another value than the chosen one
        keys = [key for key, _ in tuned]
        kept = _trim(read, keys)
        parts = [kept.get(name) for name in names]
        written = _written([*parts, keys] if tuned else parts)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        # They are not literals, so their texts are compared.
        written, parts, tuned = repr(sections), [None] * len(sections), ()
    digest = hashlib.sha256(written.encode()).hexdigest()[:8]
    optim, _, loop, train, test, *_ = parts
    optimizer = _at(optim, "optimizer")
    words = []
    kind = _word(_at(optimizer, "type")) or "optimizer"
    if isinstance(rate := _at(optimizer, "lr"), (int, float)):
        shown = f"{rate:g}" if isinstance(rate, float) else _word(rate)
        words.append(f"{kind} {shown}")
    elif optimizer and tuned:
        words.append(kind)
    length = next((f"{_word(_at(loop, k))} {k[4:]}" for k in ("max_iters", "max_epochs") if _at(loop, k)), "")
    images = f"{_word(_at(train, 'batch_size'))} images" if _at(train, "batch_size") else ""
    if length or images:
        words.append(" of ".join(filter(None, (length, images))).replace("iters", "iterations"))
    if crop := _step(train, "RandomCrop", "crop_size"):
        words.append(f"crops of {crop[1]}x{crop[0]}")
    if scale := _step(test, "Resize", "scale"):
        words.append(f"tested at {scale[0]}x{scale[1]}")
    if tuned:
        words.append(f"tuned {' and '.join(_word(key) for key, _ in tuned[:3])}")
    return f"{', '.join(words)} ({digest})" if words else digest


def _written(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _trim(value: Any, left_out: Collection[str], place: str = "") -> Any:
    """Return a value without what makes no recipe; its lists and tuples become lists.

    Args:
        value: a value of a config.
        left_out: config keys that are removed, wherever they are.
        place: beginning of the config keys in the value.
    """

    def trimmed(items: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
        return {
            key: _trim(item, left_out, f"{place}{key}.")
            for key, item in items
            if key not in NO_PART and f"{place}{key}" not in left_out
        }

    if isinstance(value, dict):
        return trimmed(value.items())
    return list(trimmed(enumerate(value)).values()) if isinstance(value, (list, tuple)) else value


def _at(value: Any, key: str) -> Any:
    """Return an entry of a mapping; None if it has no such entry, or if the value is not a mapping."""
    return value.get(key) if isinstance(value, dict) else None


def _word(value: Any) -> str:
    return str(value)[:40] if isinstance(value, (str, int, float)) else ""


def _step(loader: Any, kind: str, key: str) -> tuple[str, str] | None:
    """Return a pair of numbers that a step of a loader's pipeline sets.

    Args:
        loader: settings of the loader.
        kind: type of the step; the first one of this type counts.
        key: name of the pair in the step.

    Returns:
        The texts of the two numbers; None if there is no such step.
    """
    steps = _at(_at(loader, "dataset"), "pipeline")
    for step in steps if isinstance(steps, list) else ():
        if _at(step, "type") == kind and key in step:
            value = step[key]
            return (_word(value[0]), _word(value[1])) if isinstance(value, list) and len(value) == 2 else None
    return None
