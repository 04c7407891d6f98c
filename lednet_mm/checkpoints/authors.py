"""The model and the name table of an authors' network, by the name of its reference vector."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

from mmengine.config import Config

from lednet_mm.cards import card_of_vector
from lednet_mm.catalog import file_of, network_files
from lednet_mm.checkpoints import tables
from lednet_mm.checkpoints.names import NameTable
from lednet_mm.errors import InputError


def collect_tables(modules: Iterable[ModuleType]) -> dict[str, NameTable]:
    """Merge the ``TABLES`` of all modules that define them.

    Raises:
        ValueError: two modules define a table of the same name.
    """
    found: dict[str, NameTable] = {}
    for module in modules:
        own: Mapping[str, NameTable] = getattr(module, "TABLES", {})
        twice = sorted(found.keys() & own.keys())
        if twice:
            raise ValueError(f"{module.__name__}: another file has a table named {twice[0]!r} too")
        found.update(own)
    return found


TABLES = collect_tables(
    import_module(f"{tables.__name__}.{module.name}") for module in iter_modules(tables.__path__)
)


def name_table(vector: str) -> NameTable:
    """Return the name table of an authors' network.

    Args:
        vector: name of the reference vector, for example ``lednet_official``.

    Raises:
        InputError: no network has such a vector, or there is no table for it.
    """
    card = card_of_vector(vector)
    if vector not in TABLES:
        raise InputError(f"{card.name} has no name table for {vector}: write one in checkpoints/tables/")
    return TABLES[vector]


def authors_model(vector: str) -> dict[str, Any]:
    """Return the config of an authors' model without ``num_classes``: the network's, with the card's changes.

    Args:
        vector: name of the reference vector.

    Raises:
        InputError: no network has such a vector.
    """
    card = card_of_vector(vector)
    path = file_of("network", network_files(), card.name)
    config = Config.fromfile(str(path), import_custom_modules=False)
    config.merge_from_dict(
        copy.deepcopy(dict(card.vectors[vector].changes))
    )  # mmengine takes ``_delete_`` out
    return config.to_dict()["model"]
