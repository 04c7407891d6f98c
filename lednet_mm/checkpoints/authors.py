"""All authors' networks by name, as found in the files of :mod:`lednet_mm.checkpoints.tables`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from lednet_mm.checkpoints import tables
from lednet_mm.checkpoints.names import AuthorsNetwork
from lednet_mm.errors import InputError


def collect_networks(modules: Iterable[ModuleType]) -> dict[str, AuthorsNetwork]:
    """Join the ``NETWORKS`` of all modules that have any.

    Raises:
        ValueError: two tables of one name.
    """
    networks: dict[str, AuthorsNetwork] = {}
    for module in modules:
        found: Mapping[str, AuthorsNetwork] = getattr(module, "NETWORKS", {})
        twice = sorted(networks.keys() & found.keys())
        if twice:
            raise ValueError(f"{module.__name__}: another file has a table named {twice[0]!r} too")
        networks.update(found)
    return networks


NETWORKS = collect_networks(
    import_module(f"{tables.__name__}.{module.name}") for module in iter_modules(tables.__path__)
)


def authors_network(name: str) -> AuthorsNetwork:
    """Return the table of an authors' network.

    Args:
        name: as in the reference vectors, for example ``lednet_official``.

    Raises:
        InputError: no such network.
    """
    if name not in NETWORKS:
        raise InputError(f"unknown network {name!r}; known are: {', '.join(sorted(NETWORKS))}")
    return NETWORKS[name]


def config_name(name: str) -> str:
    """Return the name that the config of an authors' network has, if there is one."""
    return name.removeprefix("zh320_").removesuffix("_official")
