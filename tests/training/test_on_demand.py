"""Generated streets are made if they are missing and needed, and no file of the user's is changed."""

import shutil

import pytest

from lednet_mm.config import load_config
from lednet_mm.datasets.streets import StreetsDataset
from lednet_mm.training.on_demand import STREETS, make_missing_streets
from tests.conftest import ROOT

CONFIG = ROOT / "configs" / "lednet_streets.py"


@pytest.fixture
def made(tmp_path, small_streets, monkeypatch):
    """Work in an empty folder, with a small set instead of the default one, and return the calls."""
    calls = []

    def generate(root, **parameters):
        calls.append((root, parameters))
        shutil.copytree(small_streets, root)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lednet_mm.datasets.streets.generate_streets", generate)
    return calls


def test_the_folder_is_that_of_the_dataset_and_the_configs():
    assert load_config(CONFIG).train_dataloader.dataset.data_root == STREETS
    data_root = StreetsDataset.__init__.__defaults__[0]
    assert data_root == STREETS


@pytest.mark.thorough
def test_a_training_works_from_nothing(quick_config, made, tool):
    config = quick_config("train_cfg = dict(max_iters=1, val_interval=1)", data=STREETS)
    done = tool("train", config, "--work-dir", "run")
    assert done.status == 0, done.err
    assert (done.out + done.err).count("data/streets is missing: generating it, which takes seconds") == 1
    assert made == [(STREETS, {})]  # the default parameters
    again = tool("train", config, "--work-dir", "again")
    assert again.status == 0
    assert "generating" not in again.out + again.err
    assert len(made) == 1


def study(folder, config=CONFIG, **options):
    path = folder / "tried.py"
    path.write_text(f'title = "T"\nruns = [dict(configs=[{str(config)!r}])]\noptions = {options!r}\n')
    return path


def test_a_study_works_from_nothing_and_its_plan_makes_nothing(made, tmp_path, tool, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "lednet_mm.studies.scheduler.run_jobs", lambda *_, **__: seen.append((tmp_path / STREETS).is_dir())
    )
    arguments = ["sweep", study(tmp_path), "--work-dir", "w"]
    assert tool(*arguments, "--dry-run").status == 0
    assert not (tmp_path / "data").exists()
    outcome = tool(*arguments)
    assert outcome.out.count("data/streets is missing: generating it") == 1
    assert seen == [True]  # before the first run begins
    assert made == [(STREETS, {})]


def test_a_study_that_is_finished_needs_no_data(made, tmp_path, tool, monkeypatch):
    monkeypatch.setattr("lednet_mm.studies.scheduler.run_jobs", lambda *_, **__: None)
    finished = type("Finished", (), {"state": "finished"})
    monkeypatch.setattr("lednet_mm.studies.jobs.look", lambda job: finished)
    tool("sweep", study(tmp_path), "--work-dir", "w")
    assert made == []


def test_another_folder_that_is_missing_is_an_error(made, small_config, tool, tmp_path):
    outcome = tool("train", small_config(data=tmp_path / "none"), "--work-dir", "run")
    assert (outcome.status, outcome.err.count("error: ")) == (2, 1)
    assert f"{tmp_path / 'none'}" in outcome.err
    assert "prepare_dataset.py streets" in outcome.err
    assert made == []
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("there", ["an empty folder", "a link to nowhere", "a file", "something else"])
def test_what_lies_there_is_left_as_it_is(there, made, tmp_path):
    place = tmp_path / STREETS
    place.parent.mkdir()
    if there == "a link to nowhere":
        place.symlink_to(tmp_path / "nowhere")
    elif there == "a file":
        place.write_text("mine")
    else:
        place.mkdir()
        if there == "something else":
            (place / "mine.txt").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    make_missing_streets([load_config(CONFIG)], pytest.fail)
    assert sorted(tmp_path.rglob("*")) == before
    assert made == []


def test_other_data_ask_for_no_streets(made, tmp_path):
    make_missing_streets([load_config(ROOT / "configs" / "lednet_camvid.py")], pytest.fail)
    wrapped = load_config(CONFIG)
    wrapped.train_dataloader.dataset = {"type": "RepeatDataset", "times": 2, "dataset": {"type": "Other"}}
    wrapped.val_dataloader = wrapped.test_dataloader = None
    make_missing_streets([wrapped], pytest.fail)
    assert made == []
    wrapped.train_dataloader.dataset.dataset = {"type": "StreetsDataset"}  # its default folder
    said = []
    make_missing_streets([wrapped], said.append)
    assert (len(said), len(made)) == (1, 1)
