"""The collection of name tables: whatever lies in the folder belongs to it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from lednet_mm import networks
from lednet_mm.checkpoints import tables
from lednet_mm.checkpoints.authors import NETWORKS, authors_network, collect_networks
from lednet_mm.errors import InputError

SHARED = {"__init__", "lightnet", "zh320"}  # rules of several tables


def files_of(package) -> set[str]:
    return {path.stem for path in Path(package.__file__).parent.glob("*.py")}


def test_every_file_of_tables_is_collected():
    for name in files_of(tables) - SHARED:
        own = sys.modules[f"{tables.__name__}.{name}"].NETWORKS
        assert own
        assert all(NETWORKS[key] is table for key, table in own.items())


def test_every_file_of_networks_is_imported():
    assert [name for name in files_of(networks) - {"__init__"} if not hasattr(networks, name)] == []


def test_two_tables_of_one_name_are_refused():
    one = SimpleNamespace(__name__="one", NETWORKS={"dabnet": NETWORKS["dabnet"]})
    none = SimpleNamespace(__name__="none")
    assert collect_networks([none, one]) == {"dabnet": NETWORKS["dabnet"]}
    with pytest.raises(ValueError, match="one: another file has a table named 'dabnet' too"):
        collect_networks([one, none, one])


def test_an_unknown_network_names_the_known_ones():
    with pytest.raises(InputError, match=r"unknown network 'dabnett'.*dabnet, "):
        authors_network("dabnett")
