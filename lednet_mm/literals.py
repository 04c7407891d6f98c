"""Read the text of resolved configs as literals, without executing it, and compare configs key by key."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

LARGEST = 1 << 20
"""The largest number of characters in a resolved config; those of this project have about 5,000."""

_ABSENT = object()


def read_literals(text: str) -> dict[str, Any]:
    """Read a resolved config, as :func:`lednet_mm.config.config_text` writes it, without executing it.

    Raises:
        ValueError: the text has something else than assignments of literals to names; the message is one
            line.
    """
    if len(text) > LARGEST:
        raise ValueError(f"a config of {len(text):,} characters")
    try:
        statements = ast.parse(text).body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ValueError(f"not a config ({type(error).__name__})") from None
    values: dict[str, Any] = {}
    for statement in statements:
        target = statement.targets[0] if isinstance(statement, ast.Assign) else None
        if (
            not isinstance(statement, ast.Assign)
            or len(statement.targets) > 1
            or not isinstance(target, ast.Name)
        ):
            raise ValueError(f"line {statement.lineno} is not an assignment to a name")
        try:
            values[target.id] = ast.literal_eval(statement.value)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            raise ValueError(f"the value of {target.id} is not a literal") from None
    return values


def differing_keys(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the keys at which two configs differ.

    Returns:
        A dict from each dotted key to the two values, the first config's first; None stands for a missing
        key. Lists are compared as a whole, and a tuple equals a list, as in JSON.
    """
    return {key: (ours, theirs) for key, ours, theirs in _differences("", one, other)}


def _differences(
    prefix: str, one: Mapping[str, Any], other: Mapping[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    for key in dict.fromkeys([*one, *other]):
        name = f"{prefix}{key}"
        ours, theirs = one.get(key, _ABSENT), other.get(key, _ABSENT)
        if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
            yield from _differences(f"{name}.", ours, theirs)
        elif _plain(ours) != _plain(theirs):
            yield name, None if ours is _ABSENT else ours, None if theirs is _ABSENT else theirs


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
