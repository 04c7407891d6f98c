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


def known_as(model: Mapping, network: str) -> str | None:
    """Return the name in the reference vectors of a config's model; None if it is none of them.

    Two models are the same network if backbone, neck and head are built with the same arguments; heads that
    only train, losses and what depends on the data do not matter.

    Args:
        model: ``model`` of a config.
        network: the config's own name for it, which decides between tables of one network.
    """
    from lednet_mm.records import plain

    def built(model: Mapping) -> dict:
        model = plain(model)
        parts = {key: model.get(key) for key in ("backbone", "neck", "decode_head")}
        head = dict(parts["decode_head"] or {})
        for key in ("loss_decode", "num_classes", "sampler"):
            head.pop(key, None)
        return {**parts, "decode_head": head, "size_multiple": model.get("size_multiple", 1)}

    asked = built(model)
    names = [name for name, table in NETWORKS.items() if built(table.model) == asked]
    return min(names, key=lambda name: (network not in name, len(name)), default=None)
