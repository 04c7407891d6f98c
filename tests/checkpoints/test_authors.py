"""The name tables are found in their folder, and each belongs to a model."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from lednet_mm import networks
from lednet_mm.checkpoints import authors, tables
from lednet_mm.checkpoints.authors import TABLES, authors_model, collect_tables, name_table
from lednet_mm.errors import InputError

SHARED = {"__init__", "lightnet", "zh320"}  # rules of several tables


def files_of(package) -> set[str]:
    return {path.stem for path in Path(package.__file__).parent.glob("*.py")}


def test_every_file_of_tables_is_collected():
    for name in files_of(tables) - SHARED:
        own = sys.modules[f"{tables.__name__}.{name}"].TABLES
        assert own
        assert all(TABLES[key] is table for key, table in own.items())


def test_every_file_of_networks_is_imported():
    assert [name for name in files_of(networks) - {"__init__"} if not hasattr(networks, name)] == []


def test_two_tables_of_one_name_are_refused():
    one = SimpleNamespace(__name__="one", TABLES={"dabnet": TABLES["dabnet"]})
    none = SimpleNamespace(__name__="none")
    assert collect_tables([none, one]) == {"dabnet": TABLES["dabnet"]}
    with pytest.raises(ValueError, match="one: another file has a table named 'dabnet' too"):
        collect_tables([one, none, one])


@pytest.mark.parametrize("function", [name_table, authors_model])
def test_an_unknown_network_names_the_known_ones(function):
    with pytest.raises(InputError, match=r"unknown network 'dabnett'.*dabnet, "):
        function("dabnett")


def test_a_card_without_a_table_is_named(monkeypatch):
    monkeypatch.setattr(authors, "TABLES", {})
    with pytest.raises(InputError, match="dabnet has no name table for dabnet"):
        name_table("dabnet")


def test_a_model_is_its_networks_with_the_changes_of_the_card():
    assert authors_model("espnet_q3") == {
        "type": "Segmentor",
        "backbone": {"type": "ESPNet", "blocks": (2, 3)},
        "decode_head": {"type": "ESPNetHead", "merge_image": False},
    }
    for _ in range(2):  # the network is replaced as a whole, and the card is not changed
        assert authors_model("lednet_imagenet") == {"type": "LEDNetClassifier"}
    assert authors_model("lednet_official")["auxiliary_head"]["type"] == "FCNHead"
    assert "auxiliary_head" not in authors_model("lednet_esn")
