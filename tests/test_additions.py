"""What it takes to add something: one entry for a variant, one YAML file for a dataset."""

import shutil

import pytest

from lednet_mm import catalog
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
    catalog.variants_of.cache_clear()
    yield copied
    catalog.variants_of.cache_clear()


def test_a_variant_on_a_dataset_of_ones_own_is_one_entry_and_one_file(configs, tool, tmp_path):
    with (configs / "ablations" / "lednet.py").open("a") as file:
        file.write(ENTRY)
    for split in ("train", "val"):
        make_pairs(tmp_path / "data" / split)
    folders = {s: {"images": f"{s}/images", "labels": f"{s}/masks"} for s in ("train", "val")}
    card = write_card(tmp_path, crop_size=[64, 96], splits=folders)

    assert "wide_first_stage" in tool("list", "variants").out
    (tmp_path / "mine.py").write_text(
        "title = 'Potholes'\n"
        f"runs = [dict(networks=['lednet'], datasets=[{card.name!r}], "
        "variants=['baseline', 'wide_first_stage'])]\n"
        "options = {'train_cfg.max_iters': 2, 'train_cfg.val_interval': 2,\n"
        "    'train_dataloader.batch_size': 2}\n"
        "measure = dict(accuracy='val', complexity=dict(shape=(64, 96)))\n"
    )
    swept = tool("sweep", tmp_path / "mine.py", "--work-dir", tmp_path / "sweep", "--jobs", 1)
    assert swept.status == 0, swept.err
    records, problems = read_records([tmp_path / "sweep"])
    assert not problems
    assert {(r.run.variant, r.run.dataset) for r in records} == {
        ("baseline", "potholes"),
        ("wide_first_stage", "potholes"),
    }
    sizes = {r.run.variant: r.values["params"] for r in records if r.kind == "complexity"}
    assert sizes["wide_first_stage"] > sizes["baseline"]
    reported = tool("report", tmp_path / "sweep", "--out", tmp_path / "report")
    assert reported.status == 0, reported.err
    ablation = (tmp_path / "report" / "ablation.csv").read_text()
    assert "wide_first_stage" in ablation
    assert "slightly better" in ablation
