"""The page of networks has every network, and a section with the right facts for each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lednet_mm.cards import network_cards
from lednet_mm.documentation.networks import HEADER, NetworkFacts, measure_networks, render
from lednet_mm.reports.published import published_rows, read_published
from tests.reports.made import complexity

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/networks.md"

# Published, but no network of this project.
NOT_OURS = {"FANet-34", "LightNet MobileNetV2SDASPP (GAN data)"}


def facts(name: str = "dabnet", vector: str | None = None, **changes) -> NetworkFacts:
    card = network_cards()[name]
    vector = vector or card.vector
    values = {
        **{"card": card.version(vector) if vector else card, "vector": vector, "note": "DABNet as released."},
        **{"params": 756_643, "params_train": 756_643, "macs": 10_414_350_336, "sizes": "any"},
        **{"cases": 5, "error": 4.9e-12, "training_error": 5.4e-12},
    }
    return NetworkFacts(**{**values, **changes})


@pytest.mark.skipif(not PAGE.exists(), reason="docs/networks.md is not written: tools/document_networks.py")
def test_the_page_names_every_network():
    page = PAGE.read_text()
    assert page.startswith(f"{HEADER}\n## All networks\n")
    cards = network_cards().values()
    vectors = [vector for card in cards for vector in card.vectors]
    not_proven = [card for card in cards if card.vector is None]
    assert [vector for vector in vectors if f"Name table: `{vector}`" not in page] == []
    assert [card for card in cards if f"`configs/_base_/networks/{card.name}.py`" not in page] == []
    files = {path.stem for path in (ROOT / "tests/data").glob("*.json")}
    without = len(not_proven) + len(set(vectors) - files)
    assert page.count("* Not proven: it has no reference vector.") == without
    assert page.count("\n## ") == len(vectors) + len(not_proven) + 3
    for card in cards:
        for name in card.authors_forms:
            assert re.search(rf"\| `{name}` \|.*\| differs \|", page)


def test_every_published_row_is_on_one_card():
    rows = read_published()
    owned = [name for card in network_cards().values() for name in card.published]
    assert len(owned) == len(set(owned))
    assert {row["network"] for row in rows} == {*owned, *NOT_OURS}
    assert all(row["source"] for row in rows)


def test_the_published_rows_of_a_network():
    names = [row["network"] for row in published_rows("lednet")]
    assert names == ["LEDNet", "LEDNet (ImageNet pretrained)"]
    assert published_rows("a network of somebody else") == ()


def test_a_section():
    page = render([facts()])
    assert "[DABNet](#dabnet-dabnet) | `dabnet` | 0.757 | 10.41 | 1e-11 | 1e-11 | – |" in page
    assert "## DABNet: dabnet\n" in page
    assert "Paper: arXiv:1907.11357. Code: github.com/Reagan1311/DABNet." in page
    assert "DABNet: 0.76 M parameters; 104 FPS (GTX 1080Ti, 512x1024); Cityscapes test 70.1 % mIoU" in page
    assert "Source: arXiv:1907.11357" in page
    assert all(f"Deviation: {deviation}" in page for deviation in network_cards()["dabnet"].deviations)


@pytest.mark.parametrize("error", [1.01e-12, 9.9e-12, 1e-11])
def test_errors_are_rounded_up_so_that_the_page_does_not_flicker(error):
    assert render([facts(error=error)]) == render([facts(error=5e-12)])


def test_what_is_not_proven_says_so():
    page = render([facts("unet", error=None, training_error=None)])
    assert "## UNet-S5-D16 (MMSegmentation's): unet\n" in page
    assert "* Not proven: it has no reference vector." in page
    assert "| – | – | its own |" in page


def test_a_network_that_mmsegmentation_has_otherwise():
    theirs = facts("pidnet_s_mmseg", error=None, training_error=None, params=7_717_839, macs=11_900_000_000)
    page = render([facts("pidnet_s", params=7_717_999, macs=11_920_000_000), theirs, facts("cgnet")])
    assert re.search(r"`pidnet_s` \|.*\| differs \|\n", page)
    assert re.search(r"`pidnet_s_mmseg` \|.*\| its own \|\n", page)
    assert re.search(r"`cgnet` \|.*\| equal \|\n", page)
    (row,) = re.findall(r"^\| `pidnet_s` \| `pidnet_s_mmseg` \| (.*)$", page, re.MULTILINE)
    assert row.startswith("The first two convolutions have no bias; the authors' have one.")
    assert "| 7.7180 (0.7566), 7.7178 (0.7566) | 11.920, 11.900 |" in row


def test_the_forms_of_the_authors_are_networks():
    cards = network_cards()
    for card in cards.values():
        assert all(cards[name].vector for name in card.authors_forms)
        assert ("MMSegmentation's)" in card.title) <= card.from_mmsegmentation


def test_another_version_of_a_network_has_a_section_of_its_own():
    page = render([facts("lednet", name) for name in ("lednet_official", "lednet_esn")])
    first, second = page.split("\n## ")[-2:]
    assert first.startswith("LEDNet: lednet\n")
    assert "Published: LEDNet" in first
    assert second.startswith("LEDNet, factorised pyramid: lednet_esn\n")
    assert "Published" not in second
    assert "configs/" not in second


@pytest.mark.thorough
def test_networks_are_measured(monkeypatch):
    monkeypatch.setattr("lednet_mm.documentation.networks.SHAPE", (64, 128))
    (measured,) = measure_networks({"dabnet": network_cards()["dabnet"]}, ROOT / "tests/data", {})
    assert (measured.name, measured.vector, measured.sizes) == ("dabnet", "dabnet", "any")
    assert 0.7e6 < measured.params < 0.8e6
    sizes = {"dabnet": complexity(network="dabnet", params=7)}
    (recorded,) = measure_networks({"dabnet": network_cards()["dabnet"]}, ROOT / "tests/data", sizes)
    assert (recorded.params, recorded.macs) == (7, 70_000)
    assert (recorded.error, recorded.cases) == (measured.error, measured.cases)
    assert measured.error < 1e-10
    assert measured.cases > 2
