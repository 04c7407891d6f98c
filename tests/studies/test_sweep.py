"""tools/sweep.py: the plan printed, and a small real study of which one run fails."""

import json

import pytest

from lednet_mm.records import read_records
from tests.conftest import ROOT


@pytest.fixture
def study(tmp_path, small_streets):
    """A study of two runs of four iterations, one of which diverges, and the timing of both."""
    lednet = str(ROOT / "configs" / "lednet_streets.py")
    data = {f"{split}_dataloader.dataset.data_root": str(small_streets) for split in ("train", "val", "test")}
    options = {
        **data,
        "train_cfg.max_iters": 4,
        "train_cfg.val_interval": 4,
        "train_dataloader.batch_size": 2,
        "default_hooks.checkpoint.interval": 2,
        "default_hooks.logger.interval": 2,
    }
    diverging = {"optim_wrapper.optimizer.lr": 1e30, "variant": "diverging"}
    path = tmp_path / "small.py"
    path.write_text(
        f"""title = "Two small runs"
runs = [dict(configs=[{lednet!r}]), dict(configs=[{lednet!r}], options={diverging!r})]
options = {options!r}
measure = dict(complexity=dict(shape=(64, 128)), latency=dict(shape=(64, 128), samples=3, seconds=1.0))
"""
    )
    return path


def test_the_plan_is_printed_and_nothing_else_happens(study, tool, tmp_path):
    outcome = tool("sweep", study, "--dry-run", "--work-dir", tmp_path / "w")
    assert outcome.status == 0
    assert "lednet-diverging-streets-seed0" in outcome.out
    assert "2 networks to time" in outcome.out
    assert not (tmp_path / "w").exists()


def test_a_study_that_does_not_exist_is_one_line(tool):
    outcome = tool("sweep", "nowhere.py")
    assert outcome.status == 2
    assert outcome.err.count("\n") == 1
    assert "no such study" in outcome.err


@pytest.mark.slow
def test_a_real_study_of_which_one_run_fails(study, tool, tmp_path):
    work_dir = tmp_path / "w"
    outcome = tool("sweep", study, "--work-dir", work_dir, "--jobs", 1)
    assert outcome.status == 1
    assert "lednet-diverging-streets-seed0 failed: the loss became" in outcome.err
    assert "2 of 3 finished" in outcome.out
    records, problems = read_records([work_dir])
    assert not problems
    kinds = {}
    for record in records:
        kinds.setdefault(record.run.variant, []).append(record.kind)
    # The images that streets' test_dataloader loads are those of val: one accuracy is all there is.
    assert sorted(kinds["baseline"]) == ["accuracy", "complexity", "latency", "train"]
    assert sorted(kinds["diverging"]) == ["complexity", "failure", "latency"]
    assert len({r.config.sha256 for r in records if r.run.variant == "baseline"}) == 1
    described = json.loads((work_dir / "study.json").read_text())
    assert [run["variant"] for run in described["runs"]] == ["baseline", "diverging"]
    assert described["split"] == "val"

    again = tool("sweep", study, "--work-dir", work_dir, "--jobs", 1)
    assert again.status == 1
    assert len(read_records([work_dir])[0]) == len(records), "nothing runs a second time"
