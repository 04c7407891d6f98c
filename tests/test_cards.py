"""The cards of networks are complete, the same however they are read, and consistent with other files."""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

from lednet_mm import networks
from lednet_mm.cards import Card, Vector, card_of_vector, network_cards
from lednet_mm.catalog import network_files
from lednet_mm.checkpoints.authors import TABLES
from lednet_mm.errors import InputError
from tests.conftest import ROOT

DATA = ROOT / "tests/data"
HEAD = "from lednet_mm.cards import Card, Vector\n"
FIELDS = 'title="A", paper="none", repository="nowhere"'


def test_they_are_read_as_python_reads_them():
    imported = {}
    for module in iter_modules(networks.__path__):
        found = import_module(f"{networks.__name__}.{module.name}")
        for card in [*getattr(found, "CARDS", []), *filter(None, [getattr(found, "CARD", None)])]:
            assert card.name not in imported
            imported[card.name] = card
    assert network_cards() == imported


def test_every_network_has_a_card_and_every_card_a_network():
    assert network_cards().keys() == network_files().keys()


def test_every_vector_has_a_name_table_and_every_table_a_card():
    assert {vector for card in network_cards().values() for vector in card.vectors} == TABLES.keys()


def test_a_network_that_is_proven_has_its_vector_and_every_vector_is_on_a_card():
    proven = {card.vector for card in network_cards().values() if card.vector}
    files = {path.stem for path in DATA.glob("*.json")}
    assert proven <= files <= TABLES.keys()


@pytest.mark.parametrize("path", sorted(DATA.glob("*.json")), ids=lambda path: path.stem)
def test_code_and_commit_are_those_that_the_vector_states(path: Path):
    card = card_of_vector(path.stem).version(path.stem)
    source = json.loads(path.read_text())["source"]
    # A package from PyPI has a version in the place of a commit.
    assert re.match(rf"{re.escape(card.repository)} (.* @ )?{card.commit}(;| |$)", source)


def test_another_version_has_what_differs_of_its_own_and_the_rest_of_the_network():
    card = network_cards()["lednet"]
    version = card.version("lednet_esn")
    assert card.version("lednet_official") == card
    assert (version.title, version.paper) == ("LEDNet, factorised pyramid", card.paper)
    assert version.repository != card.repository
    assert len(version.deviations) == 2


def lay(folder: Path, **files: str) -> Path:
    for name, content in files.items():
        (folder / f"{name}.py").write_text(content)
    return folder


def test_constants_of_the_file_and_of_its_neighbours(tmp_path):
    shared = f"{HEAD}WIDTHS = (1, -2)\nCHANGES = {{'model.widths': WIDTHS}}\nTITLE = 'B'\n"
    family = (
        f"{HEAD}from lednet_mm.networks.shared import CHANGES as SHARED, TITLE\nimport not_imported\n"
        f"OLD = Vector(title='old', changes=SHARED)\n"
        f"CARDS = [Card(name='a', {FIELDS}, vectors={{'v': OLD}}), "
        "Card(name='b', title=TITLE, paper='none', repository='nowhere')]\n"
    )
    cards = network_cards(lay(tmp_path, shared=shared, family=family))
    assert list(cards) == ["a", "b"]
    assert cards["a"].vectors == {"v": Vector(changes={"model.widths": (1, -2)}, title="old")}
    assert (cards["a"].vector, cards["b"].title) == (None, "B")


DAMAGED = {
    "no Python": ("CARD = Card(", "was never closed"),
    "code": ("CARD = Card(name=print('run'), paper='p')", "line 2: print('run') is not a literal"),
    "no call": ("CARD = 5", "CARD is Card"),
    "no list": (f"CARDS = Card(name='a', {FIELDS})", "CARDS is [Card"),
    "no card in the list": ("CARDS = ['a']", "CARD is Card"),
    "an unknown field": (f"CARD = Card(name='a', {FIELDS}, colour='red')", "colour"),
    "a field that is missing": ("CARD = Card(name='a')", "title"),
    "a field without its name": (f"CARD = Card('a', {FIELDS})", "Card(field=...)"),
    "an unknown constant": (f"CARD = Card(name=NAME, {FIELDS})", "NAME is not a constant"),
    "a constant of itself": (f"NAME = NAME\nCARD = Card(name=NAME, {FIELDS})", "RecursionError"),
    "a missing neighbour": (
        f"from lednet_mm.networks.gone import NAME\nCARD = Card(name=NAME, {FIELDS})",
        "gone.py",
    ),
    "an empty name": (f"CARD = Card(name='', {FIELDS})", "name is a text"),
    "a commit that is a number": (f"CARD = Card(name='a', {FIELDS}, commit=5)", "commit is a text or None"),
    "text for a list": (f"CARD = Card(name='a', {FIELDS}, published='A')", "published is a list of texts"),
    "vectors without what they are of": (
        f"CARD = Card(name='a', {FIELDS}, vectors={{'a': {{}}}})",
        "vectors is a dict of Vector",
    ),
    "two vectors of the network itself": (
        f"CARD = Card(name='a', {FIELDS}, vectors={{'a': Vector(), 'b': Vector()}})",
        "a and b are of the network itself",
    ),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_a_damaged_card(what: str, tmp_path, capsys):
    content, message = DAMAGED[what]
    lay(tmp_path, net=HEAD + content)
    with pytest.raises(InputError, match=r"net\.py: cannot be read: ") as caught:
        network_cards(tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capsys.readouterr().out == ""


def test_two_cards_of_one_name(tmp_path):
    card = f"{HEAD}CARD = Card(name='a', {FIELDS})"
    with pytest.raises(InputError, match=r"two\.py: another card is of 'a' too"):
        network_cards(lay(tmp_path, one=card, two=card))


def test_one_vector_on_two_cards(tmp_path):
    one, two = (f"{HEAD}CARD = Card(name='{n}', {FIELDS}, vectors={{'v': Vector()}})" for n in "ab")
    with pytest.raises(InputError, match=r"two\.py: the vector 'v' of b is a's"):
        network_cards(lay(tmp_path, one=one, two=two))


def test_an_unknown_vector_names_the_known_ones():
    with pytest.raises(InputError, match=r"unknown network 'dabnett'.*dabnet, "):
        card_of_vector("dabnett")


def test_a_card_that_is_imported_is_checked_too():
    with pytest.raises(ValueError, match="deviations is a list of texts"):
        Card("a", "A", "none", "nowhere", deviations="It differs.")
