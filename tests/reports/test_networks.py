"""The page of all networks: complete, and what it prints of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from lednet_mm.checkpoints.authors import NETWORKS, config_name
from lednet_mm.reports.networks import (
    NetworkFacts,
    measure_networks,
    network_configs,
    render,
)
from lednet_mm.reports.published import published_rows, read_published

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "configs/_base_/networks"
PAGE = ROOT / "docs/networks.md"

# Published, but no network of this project.
NOT_OURS = {"LightNet MobileNetV2SDASPP (GAN data)"}


def facts(**changes) -> NetworkFacts:
    values = {
        **{"name": "dabnet", "title": "DABNet", "table": "dabnet", "note": "DABNet as released."},
        **{"params": 756_643, "params_train": 756_643, "macs": 10_414_350_336, "sizes": "any"},
        **{"cases": 5, "error": 4.9e-12, "training_error": 5.4e-12},
    }
    return NetworkFacts(**{**values, **changes})


@pytest.mark.skipif(not PAGE.exists(), reason="docs/networks.md is not written: tools/document_networks.py")
def test_the_page_names_every_network():
    page = PAGE.read_text()
    files = network_configs(CONFIGS)
    assert [key for key in NETWORKS if f"Name table: `{key}`" not in page] == []
    assert [name for name in files if f"`configs/_base_/networks/{name}.py`" not in page] == []
    not_proven = files.keys() - {config_name(key) for key in NETWORKS}
    assert page.count("MMSegmentation's implementation, not proven here.") == len(not_proven)
    assert page.count("\n## ") == len(NETWORKS) + len(not_proven) + 2


def test_every_published_row_finds_its_network():
    rows = read_published()
    known = {*map(config_name, NETWORKS), *network_configs(CONFIGS)}
    owners = {row["network"]: {name for name in known if row in published_rows(name)} for row in rows}
    assert {row for row, names in owners.items() if not names} == NOT_OURS
    assert [row for row, names in owners.items() if len(names) > 1] == []
    assert owners["LEDNet (ImageNet pretrained)"] == {"lednet"}
    assert owners["LightNet ShuffleNetPlus"] == {"shufflenetv2plus"}
    assert all(row["source"] for row in rows)


def test_a_section():
    page = render([facts()])
    assert "[DABNet](#dabnet-dabnet) | `dabnet` | 0.757 | 10.41 | 1e-11 | 1e-11 |" in page
    assert "## DABNet: dabnet\n" in page
    assert "Paper: arXiv:1907.11357. Code: github.com/Reagan1311/DABNet." in page
    assert "DABNet: 0.76 M parameters; 104 FPS (GTX 1080Ti, 512x1024); Cityscapes test 70.1 % mIoU" in page
    assert "Source: arXiv:1907.11357" in page
    assert all(f"Deviation: {deviation}" in page for deviation in NETWORKS["dabnet"].deviations)


@pytest.mark.parametrize("error", [1.01e-12, 9.9e-12, 1e-11])
def test_errors_are_rounded_up_so_that_the_page_does_not_flicker(error):
    assert render([facts(error=error)]) == render([facts(error=5e-12)])


def test_what_is_not_proven_says_so():
    page = render([facts(table=None, error=None, training_error=None)])
    assert "MMSegmentation's implementation, not proven here." in page
    assert "| – | – |" in page


def test_networks_are_measured(monkeypatch, tmp_path):
    (tmp_path / "dabnet.py").write_text((CONFIGS / "dabnet.py").read_text())
    monkeypatch.setattr("lednet_mm.reports.networks.SHAPE", (64, 128))
    monkeypatch.setattr("lednet_mm.reports.networks.NETWORKS", {"dabnet": NETWORKS["dabnet"]})
    (measured,) = measure_networks(tmp_path, ROOT / "tests/data")
    assert (measured.name, measured.table, measured.sizes) == ("dabnet", "dabnet", "any")
    assert 0.7e6 < measured.params < 0.8e6
    assert measured.error < 1e-10
    assert measured.cases > 2
