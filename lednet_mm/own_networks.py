"""Read a network of the user's own from one file: its card, model and variants, without importing the file.

The file is a Python module in any folder::

    from lednet_mm.cards import Card

    CARD = Card(name="toy", title="Toy", paper="unpublished", repository="here")
    MODEL = dict(type="Segmentor", backbone=dict(type="Toy"), decode_head=dict(type="ClassifierHead", ...))
    VARIANTS = dict(wide=dict(question=..., claim=..., expectation=..., change={"model.backbone.width": 64}))

    @MODELS.register_module()
    class Toy(BaseModule): ...

Every command that takes a network's name then also takes the path of this file.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from lednet_mm.cards import Card, constants_in, network_cards
from lednet_mm.errors import InputError, describe_error


@dataclass(frozen=True)
class OwnNetwork:
    """The content of the file of a network of the user's own.

    Attributes:
        path: the file.
        card: the network's card; its name is the network's in records and reports.
        model: the config of the model.
        variants: the entries of its variants by name, as in ``configs/ablations``.
        names: (pattern, replacement) pairs of regular expressions, which make the network's tensor names of
            those in a reference vector; only a network that is to be proven needs them.
    """

    path: Path
    card: Card
    model: Mapping[str, Any]
    variants: Mapping[str, Mapping[str, Any]]
    names: Sequence[tuple[str, str]] = ()


def is_own_network(source: str) -> bool:
    """Return whether a path is that of a Python file with a network's card; nothing is executed."""
    path = Path(source)
    if path.suffix != ".py" or not path.is_file():
        return False
    try:
        return "CARD" in constants_in(path, ())
    except InputError:  # for example not Python, which the reader of configs reports
        return False


def read_own_network(source: str | Path) -> OwnNetwork:
    """Read the card, the model and the variants of a network's file.

    Raises:
        InputError: one of them is missing or not a literal, or a network of this project has the same name.
    """
    path = Path(source)
    found = constants_in(path, ("CARD", "MODEL", "VARIANTS", "NAMES"))
    card, model, variants, names = (found.get(name) for name in ("CARD", "MODEL", "VARIANTS", "NAMES"))
    if not isinstance(card, Card):
        raise InputError(f"{path}: CARD is {card!r}, and a network's card is Card(name=..., title=..., ...)")
    if not isinstance(model, dict) or "type" not in model:
        raise InputError(f"{path}: a network's file needs MODEL = dict(type=..., backbone=...), the model")
    if variants is not None and not isinstance(variants, dict):
        raise InputError(f"{path}: VARIANTS is dict(name=dict(question=..., change={{...}}), ...)")
    if not _are_rules(names or []):
        raise InputError(f'{path}: NAMES is [("pattern of their name", "replacement"), ...], all texts')
    if card.name in network_cards():
        raise InputError(f"{path}: {card.name!r} is a network of this project: give its card another name")
    return OwnNetwork(path, card, model, variants or {}, tuple(names or ()))


def _are_rules(names: Any) -> bool:
    """Say whether a value is a list of pairs of texts whose first is a regular expression."""
    try:
        return all(re.compile(pattern) and isinstance(replacement, str) for pattern, replacement in names)
    except (TypeError, ValueError, re.error):
        return False


def import_file(path: Path) -> tuple[ModuleType, bool]:
    """Import a Python file as the module of its name, once in a process; its code runs.

    Returns:
        The module, and whether this call has imported it.

    Raises:
        InputError: the file fails, or another module has its name.
    """
    name, path = path.stem, path.resolve()
    module = sys.modules.get(name)
    if module is not None:
        if Path(getattr(module, "__file__", None) or ".").resolve() == path:
            return module, False
        raise InputError(f"{path}: a module of the name {name} is there already: give the file another name")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path}: no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # it is the user's code: anything may come out of it
        del sys.modules[name]
        raise InputError(f"{path}: the network's file fails: {describe_error(error)}") from error
    return module, True


def import_own_network(path: Path) -> None:
    """Import a network's file, which registers its parts; once in a process.

    Records of this process then say which code it was, by the file's sha256.

    Raises:
        InputError: it fails, or another module has its name.
    """
    from lednet_mm.files import file_sha256
    from lednet_mm.records import note_code

    _, imported = import_file(path)
    if imported:
        note_code(path.name, file_sha256(path.resolve()))
