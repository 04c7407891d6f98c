"""Something is added by one entry (a variant), one YAML file (a dataset) or one Python file (a network)."""

import hashlib
import shutil
import sys

import pytest
from mmseg.registry import MODELS

from lednet_mm import catalog
from lednet_mm.config import Choice, load_config
from lednet_mm.errors import InputError
from lednet_mm.records import read_records
from tests.conftest import ROOT
from tests.datasets.small_sets import make_pairs, write_card

ENTRY = """

wide_first_stage = dict(
    question="Does a wider first stage help?",
    claim="Nobody claims it; this is a test.",
    expectation="slightly better",
    change={"model.backbone.channels": (48, 64, 128)},
)
"""


@pytest.fixture
def configs(tmp_path, monkeypatch):
    """A copy of the project's configs that a test may add to."""
    copied = tmp_path / "configs"
    shutil.copytree(ROOT / "configs", copied, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(catalog, "CONFIGS", copied)
    return copied


# The file that docs/adding_a_network.md shows.
OWN_NETWORK = (ROOT / "docs/adding_a_network.md").read_text().split("```python\n")[1].split("```")[0]


@pytest.fixture
def card(tmp_path):
    """Write a dataset of the user's own: a YAML file beside a few images."""
    for split in ("train", "val"):
        make_pairs(tmp_path / "data" / split)
    folders = {s: {"images": f"{s}/images", "labels": f"{s}/masks"} for s in ("train", "val")}
    return write_card(tmp_path, crop_size=[64, 96], splits=folders)


@pytest.fixture
def own_network(tmp_path):
    """Write the file of a network of the user's own, whose module is removed after the test."""
    path = tmp_path / "toynet.py"
    path.write_text(OWN_NETWORK)
    yield path
    sys.modules.pop("toynet", None)
    MODELS.module_dict.pop("Toy", None)


def sweep(tool, folder, network, variants):
    """Run a study of a network's variants on the YAML file's dataset, and return the report's table."""
    (folder / "mine.py").write_text(
        "title = 'Potholes'\n"
        f"runs = [dict(networks=[{network!r}], datasets=['potholes.yaml'], variants={variants})]\n"
        "options = {'train_cfg.max_iters': 2, 'train_cfg.val_interval': 2,\n"
        "    'train_dataloader.batch_size': 2}\n"
        "measure = dict(accuracy='val', complexity=dict(shape=(64, 96)))\n"
    )
    swept = tool("sweep", folder / "mine.py", "--work-dir", folder / "sweep", "--jobs", 1)
    assert swept.status == 0, swept.err
    records, problems = read_records([folder / "sweep"])
    assert not problems
    reported = tool("report", folder / "sweep", "--out", folder / "report")
    assert reported.status == 0, reported.err
    return records, (folder / "report" / "ablation.csv").read_text()


@pytest.mark.thorough
def test_a_variant_is_one_entry(configs, card, tool, tmp_path):
    with (configs / "ablations" / "lednet.py").open("a") as file:
        file.write(ENTRY)
    assert "wide_first_stage" in tool("list", "variants").out
    records, ablation = sweep(tool, tmp_path, "lednet", ["default", "wide_first_stage"])
    assert {(r.run.variant, r.run.dataset) for r in records} == {
        ("default", "potholes"),
        ("wide_first_stage", "potholes"),
    }
    sizes = {r.run.variant: r.values["params"] for r in records if r.kind == "complexity"}
    assert sizes["wide_first_stage"] > sizes["default"]
    assert "wide_first_stage" in ablation
    assert "slightly better" in ablation


@pytest.mark.thorough
def test_a_network_is_one_file(own_network, card, tool, tmp_path):
    planned = tool("get_flops", f"{own_network}:wide", "--dataset", card, "--work-dir", tmp_path / "counted")
    assert planned.status == 0, planned.err
    records, ablation = sweep(tool, tmp_path, own_network.name, ["default", "wide"])
    assert {(r.kind, r.run.network, r.run.variant) for r in records} == {
        (kind, "toy", variant)
        for kind in ("train", "accuracy", "complexity")
        for variant in ("default", "wide")
    }
    digest = hashlib.sha256(OWN_NETWORK.encode()).hexdigest()
    assert {r.provenance.versions["toynet.py"] for r in records} == {f"sha256:{digest}"}
    assert "slightly better" in ablation


CHOSEN = Choice("toynet.py", "streets")
FAULTS = {
    "a name that is taken": ('name="toy"', 'name="lednet"', "is a network of this project"),
    "no model": ("MODEL =", "MODELS_CONFIG =", "needs MODEL = dict"),
    "a model that is computed": ("width=8),", "width=int(8)),", "int(8) is not a literal"),
    "a card that is none": ('CARD = Card(name="toy"', 'CARD = dict(name="toy"', "network's card is Card"),
    "a file that fails": ("@MODELS", "raise ValueError('no GPU here')\n\n\n@MODELS", "no GPU here"),
    "variants that are a list": ("VARIANTS = dict(", "VARIANTS = list(", "is not a literal"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_faulty_network_file_is_one_line(what, own_network, monkeypatch):
    old, new, message = FAULTS[what]
    own_network.write_text(OWN_NETWORK.replace(old, new))
    monkeypatch.chdir(own_network.parent)
    with pytest.raises(InputError, match=r"toynet\.py: ") as caught:
        load_config(CHOSEN)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_network_file_needs_a_dataset_and_a_name_of_its_own(own_network, tool, monkeypatch):
    monkeypatch.chdir(own_network.parent)
    assert "name a dataset too" in tool("train", "toynet.py").err
    own_network.rename("json.py")
    assert (
        "a module of the name json is there already" in tool("train", "json.py", "--dataset", "streets").err
    )
