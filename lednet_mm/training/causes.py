"""Explain a library's error to the author of a config."""

from __future__ import annotations

import inspect
import re
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from mmengine.config import Config
from mmengine.registry import Registry

from lednet_mm.config import READ, keys_of
from lednet_mm.errors import describe_error, is_out_of_memory, suggest
from lednet_mm.text import one_line, shortened

_UNEXPECTED = re.compile(r"(\w+)(?:\.__init__)?\(\) got an unexpected keyword argument '(\w+)'")
_UNREGISTERED = re.compile(r"(\S+) is not in the (.+?) registry")


def explain(error: BaseException, config: Config) -> str:
    """Return one line that says why something cannot be built from a config, or fails after it is built.

    An unregistered name or an unknown argument is shown as the key of the config where it stands, together
    with known names that resemble it.
    """
    if is_out_of_memory(error):
        return f"not enough memory ({describe_error(error)}): use smaller images or batches"
    text = one_line(error)
    if isinstance(error, KeyError) and (found := _UNREGISTERED.search(text)):
        name = found[1].strip("'\"")
        kind = found[2].split("::")[-1]
        known = {known for registry in _registries(error) for known in registry.module_dict}
        return f"{_place(config, 'type', name)}: there is no {kind} named {name}{suggest(name, known)}"
    if isinstance(error, TypeError) and (found := _UNEXPECTED.search(text)):
        owner, argument = found[1], found[2]
        known = {name for taker in _takers(error, owner) for name in _arguments(taker)}
        return (
            f"{_place(config, argument)}: {owner} takes no {argument}"
            f"{suggest(argument, known) or f' (it takes {_listed(known)})'}"
        )
    for frame in reversed(list(_frames(error))):
        if isinstance(built := frame.f_locals.get("obj_cls"), type):  # what mmengine was building
            place = _place(config, "type", built.__name__).removesuffix(".type")
            return f"{place} ({built.__name__}): {describe_error(error)}"
    return describe_error(error)


def keep_traceback(work_dir: str | Path, since: float) -> str:
    """Append the traceback of the current exception to the log of a run, and say where the log is.

    Args:
        work_dir: work folder of the run.
        since: time at which the run began, in seconds since 1970; older logs belong to earlier runs.
    """
    logs = [path for path in Path(work_dir).glob("*/*.log") if path.stat().st_mtime >= since]
    path = max(logs, key=lambda log: log.stat().st_mtime, default=Path(work_dir) / "train.log")
    try:
        with path.open("a", encoding="utf-8", errors="replace") as file:
            file.write(traceback.format_exc())
    except OSError as error:
        return f"no more in {path}: {error.strerror}"
    return f"more in {path}"


def _place(config: Config, key: str, value: Any = None) -> str:
    """Return the dotted key of a config that ends with this key (and has this value), else the key itself."""
    for place, found in keys_of(config):
        parts = place.split(".")
        if parts[0] in READ and parts[-1] == key and value in (None, found):
            return place
    return f"{key} = {value!r}" if value is not None else key


def _frames(error: BaseException) -> Iterator[FrameType]:
    seen: BaseException | None = error
    while seen is not None:
        yield from (frame for frame, _ in traceback.walk_tb(seen.__traceback__))
        seen = seen.__cause__ or seen.__context__


def _registries(error: BaseException) -> Iterator[Registry]:
    """Yield the registries in which the missing name was looked up, each followed by its parents."""
    for frame in _frames(error):
        registry = frame.f_locals.get("registry")
        while isinstance(registry, Registry):
            yield registry
            registry = registry.parent


def _takers(error: BaseException, owner: str) -> Iterator[Callable]:
    """Yield the classes and functions that were called with the rejected argument."""
    for frame in _frames(error):
        for taker in (frame.f_locals.get("obj_cls"), frame.f_globals.get(owner), frame.f_locals.get(owner)):
            if callable(taker):
                yield taker


def _arguments(taker: Callable) -> list[str]:
    """Return the names of the arguments that a function takes, or a class together with its base classes."""
    takers = taker.__mro__ if inspect.isclass(taker) else (taker,)
    names: list[str] = []
    for one in takers:
        try:
            parameters = inspect.signature(one).parameters.values()
        except (TypeError, ValueError):  # a built-in without a signature
            continue
        names += [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        if not any(p.kind == p.VAR_KEYWORD for p in parameters):
            break  # it passes no arguments on to its base class
    return names


def _listed(names: set[str]) -> str:
    shown = sorted(names - {"self", "runner", "dataloader", "dataset", "optimizer", "params"})
    return shortened(shown, 12) or "others"
