"""The model and the name table of an authors' network, by the name of its reference vector."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

from mmengine.config import Config

from lednet_mm.cards import Card, card_of_vector
from lednet_mm.catalog import file_of, network_files
from lednet_mm.checkpoints import tables
from lednet_mm.checkpoints.names import NameTable
from lednet_mm.config_files import read_config_file
from lednet_mm.errors import InputError
from lednet_mm.own_networks import OwnNetwork, import_own_network


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
    return _changed(read_config_file(path, "the network"), card, vector)


def _changed(config: Config, card: Card, vector: str) -> dict[str, Any]:
    changes = copy.deepcopy(dict(card.vectors[vector].changes))  # mmengine takes ``_delete_`` out
    config.merge_from_dict(changes)
    return config.to_dict()["model"]


@dataclass(frozen=True)
class Counterpart:
    """The network that a reference vector is compared with.

    Attributes:
        model: config of its model, without ``num_classes``.
        table: name table from the vector's tensors to the model's.
    """

    model: dict[str, Any]
    table: NameTable


def find_counterpart(vector: str, own: OwnNetwork | None = None) -> Counterpart:
    """Return the network that a reference vector is compared with.

    Args:
        vector: name of the reference vector.
        own: a network of the user's own whose card names the vector; None for this project's.

    Raises:
        InputError: no network has such a vector, or there is no name table for it.
    """
    if own is None:
        return Counterpart(authors_model(vector), name_table(vector))
    if vector not in own.card.vectors:
        raise InputError(f"{own.path}: its card names no vector {vector}: vectors={{{vector!r}: Vector()}}")
    import_own_network(own.path)
    config = Config({"model": copy.deepcopy(dict(own.model))})
    return Counterpart(_changed(config, own.card, vector), NameTable(own.names))
