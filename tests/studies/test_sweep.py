"""tools/sweep.py prints the plan, and runs a small real study in which one run fails."""

import json

import numpy as np
import pytest

from lednet_mm.evaluation.confusion import scores
from lednet_mm.evaluation.measures import MEASURES
from lednet_mm.evaluation.metric import Accuracy
from lednet_mm.records import new_record, read_records, write_record
from lednet_mm.studies.plan import make_plan
from tests.conftest import ROOT
from tests.studies.tiny import provenance


@pytest.fixture
def study(tmp_path, small_streets):
    """Write a study with two runs of four iterations, one of which diverges, and the timing of both."""
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


def test_options_of_slurm_go_with_slurm_alone(study, tool, tmp_path):
    place = ["--work-dir", tmp_path / "w"]
    outcome = tool("sweep", study, *place, "--slurm-partition", "gpu")
    assert outcome.status == 2
    assert "--slurm-partition goes with --engine slurm" in outcome.err
    for option, words in (
        (["--slurm-minutes", 0], "--slurm-minutes must be at least 1"),
        (["--slurm-option", "qos"], "--slurm-option qos: write it as KEY=VALUE"),
    ):
        outcome = tool("sweep", study, *place, "--engine", "slurm", *option)
        assert outcome.status == 2
        assert words in outcome.err
        assert "Traceback" not in outcome.err


def test_titles_and_reasons_are_printed_as_they_are(study, tool, tmp_path):
    study.write_text(study.read_text().replace("Two small runs", "T [/b]"))
    run = make_plan(study, tmp_path / "w").runs[0]
    run.prepare()
    run.record_failure("RuntimeError: cannot open [/data/x]", 1, [])
    outcome = tool("sweep", study, "--dry-run", "--work-dir", tmp_path / "w")
    assert outcome.status == 0
    assert "T [/b]" in outcome.out
    assert "failed  │ RuntimeError: cannot open [/data/x]" in outcome.out


def test_a_work_folder_that_cannot_be_one_is_one_line(study, tool, tmp_path):
    (tmp_path / "file").write_text("x")
    for place in (tmp_path / "file", tmp_path / "file" / "w"):
        for options in ([], ["--dry-run"]):
            outcome = tool("sweep", study, "--work-dir", place, *options)
            assert outcome.status == 2
            assert outcome.err.count("\n") == 1
            assert "a file stands where a folder is needed" in outcome.err


def test_the_end_names_what_is_not_finished_and_the_next_command(study, tool, tmp_path):
    work_dir = tmp_path / "w"
    plan = make_plan(study, work_dir)
    for run in plan.runs:
        run.prepare()
        run.record_failure("no luck", 1, [])
        (run.folder / "records" / "accuracy-x.json").write_text("{")
    study.write_text(study.read_text().replace("latency", "_latency").replace(", _latency", ") #"))
    outcome = tool("sweep", study, "--work-dir", work_dir)
    assert outcome.status == 1
    assert "0 of 2 finished" in outcome.out
    assert f"{plan.runs[0].name} failed: no luck (log: {plan.runs[0].folder / 'log.txt'})" in outcome.err
    assert "accuracy-x.json: not readable as JSON" in outcome.err
    assert outcome.err.endswith(f"--work-dir {work_dir} --retry-failed\n")


def test_what_is_measured_is_printed_with_the_plan(study, tool, tmp_path):
    pytest.importorskip("imagecorruptions")
    more = 'measure = dict(boundary=True, corruptions=dict(names=["fog", "snow"], severities=[3]))'
    study.write_text(f"{study.read_text()}{more}\n")
    outcome = tool("sweep", study, "--dry-run", "--work-dir", tmp_path / "w")
    assert outcome.status == 0
    assert (
        "tests of each run: accuracy on val, boundary, fog 3, snow 3: 3 passes over its images" in outcome.out
    )


def test_the_number_of_seeds_for_a_wished_width_is_printed_and_nothing_runs(study, tool, tmp_path):
    """Two variants with three seeds each have different spreads over images and seeds."""
    work_dir = tmp_path / "w"
    lednet = str(ROOT / "configs" / "lednet_streets.py")
    runs = f'runs = [dict(configs=[{lednet!r}], variants=["default", "no_apn"], seeds=[0, 1, 2])]'
    study.write_text(f'title = "Power"\n{runs}')
    plan = make_plan(study, work_dir)
    random = np.random.default_rng(3)
    for job in plan.runs:
        job.prepare()
        matrices = random.integers(1, 20, (8, 19, 19)) + np.eye(19, dtype=np.int64) * random.integers(
            200, 400
        )
        images = tuple(f"{i}.png" for i in range(8))
        accuracy = Accuracy(scores(matrices.sum(0)), tuple(map(str, range(19))), images, matrices)
        details = {"split": "val", **accuracy.details()}
        write_record(
            new_record("accuracy", job.run, job.text, accuracy.values, details, provenance()), job.folder
        )
    (work_dir / "study.json").write_text(json.dumps(plan.describe()))
    before = sorted(work_dir.rglob("*"))
    outcome = tool("sweep", study, "--work-dir", work_dir, "--power", 2)
    assert outcome.status == 0, outcome.err
    assert "Power: seeds for a half-width of 2 points" in outcome.out
    header, row = ([cell.strip() for cell in line.split("|")] for line in outcome.out.splitlines()[2:5:2])
    assert row[1:3] == ["lednet", "no_apn"]
    assert int(row[header.index("seeds for ± 2")]) > 3, "the widths of three seeds are several points"
    assert float(row[header.index("± now (points)")]) > 2
    assert sorted(work_dir.rglob("*")) == before, "nothing is written"
    for half_width, words in ((0, "give a number above 0"), ("nan", "give a number above 0")):
        outcome = tool("sweep", study, "--work-dir", work_dir, "--power", half_width)
        assert (outcome.status, outcome.err.count("\n")) == (2, 1)
        assert words in outcome.err
    outcome = tool("sweep", study, "--work-dir", tmp_path / "nowhere", "--power", 2)
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)


@pytest.mark.slow
def test_a_real_study_measures_what_is_added_to_it_and_nothing_else(study, tool, tmp_path):
    pytest.importorskip("imagecorruptions")
    work_dir = tmp_path / "w"
    lines = [line for line in study.read_text().splitlines() if not line.startswith(("runs =", "measure ="))]
    lednet = str(ROOT / "configs" / "lednet_streets.py")
    lines.append(f"runs = [dict(configs=[{lednet!r}])]")

    def swept(measure):
        """Return the kind and the content of each new record."""
        before = {record.id for record in read_records([work_dir])[0]}
        study.write_text("\n".join([*lines, measure]))
        outcome = tool("sweep", study, "--work-dir", work_dir, "--jobs", 1)
        assert outcome.status == 0, outcome.err
        records, problems = read_records([work_dir])
        assert not problems
        assert len({record.config.sha256 for record in records}) == 1
        return {
            (r.kind, r.details.get("corruption"), *(n for n in MEASURES if f"per_image_{n}" in r.details))
            for r in records
            if r.id not in before
        }

    first = "measure = dict(boundary=True, corruptions=dict(names=['fog'], severities=[3]))"
    assert swept(first) == {
        ("train", None),
        ("accuracy", None),
        ("accuracy", None, "boundary"),
        ("corruption", "fog"),
    }
    assert swept(first) == set()
    more = (
        "measure = dict(boundary=True, calibration=True, object_size=True, "
        "corruptions=dict(names=['fog', 'jpeg_compression'], severities=[3]))"
    )
    assert swept(more) == {
        ("accuracy", None, "calibration", "object_size"),
        ("corruption", "jpeg_compression"),
    }
    assert swept(more) == set()
    assert swept(first) == set()


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
    # The test_dataloader of streets loads the images of val, so there is only one accuracy.
    assert sorted(kinds["default"]) == ["accuracy", "complexity", "latency", "train"]
    assert sorted(kinds["diverging"]) == ["complexity", "failure", "latency"]
    assert len({r.config.sha256 for r in records if r.run.variant == "default"}) == 1
    described = json.loads((work_dir / "study.json").read_text())
    assert [run["variant"] for run in described["runs"]] == ["default", "diverging"]
    assert described["split"] == "val"

    again = tool("sweep", study, "--work-dir", work_dir, "--jobs", 1)
    assert again.status == 1
    assert len(read_records([work_dir])[0]) == len(records), "nothing runs a second time"


@pytest.mark.slow
def test_a_real_study_that_is_tuned(study, tool, tmp_path):
    """With one learning rate the loss becomes NaN, so the reported run is trained with the other one."""
    lines = study.read_text().splitlines()
    lines = [line for line in lines if not line.startswith(("runs =", "measure ="))]
    lednet = str(ROOT / "configs" / "lednet_streets.py")
    space = {"optim_wrapper.optimizer.lr": [1e30, 1e-3]}
    lines += [f"runs = [dict(configs=[{lednet!r}])]", f"tune = dict(space={space!r}, seeds=[7])"]
    study.write_text("\n".join(lines))
    work_dir = tmp_path / "w"
    outcome = tool("sweep", study, "--work-dir", work_dir, "--jobs", 1)
    assert outcome.status == 1, "a trial has failed"
    assert "lednet-default-streets-trial0-seed7 failed: the loss became" in outcome.err
    assert "2 of 3 finished" in outcome.out
    records, problems = read_records([work_dir])
    assert not problems
    done = {(r.kind, r.run.trial, r.run.seed) for r in records if r.kind in ("train", "accuracy")}
    assert done == {(kind, *run) for kind in ("train", "accuracy") for run in ((None, 0), ("1", 7))}
    (choice,) = [record for record in records if record.kind == "tuning"]
    assert choice.details["chosen"] == {"optim_wrapper.optimizer.lr": 1e-3}
    assert choice.values["hours"] > 0
    (trained,) = [record for record in records if record.kind == "train" and record.run.trial is None]
    assert "lr': 0.001" in trained.config.text
    described = json.loads((work_dir / "study.json").read_text())
    assert described["tuning"][0]["chosen"] == {"optim_wrapper.optimizer.lr": 1e-3}
    ends = ("seed0", "trial0-seed7", "trial1-seed7")
    assert set(described["hours"]) == {f"lednet-default-streets-{end}" for end in ends}
    assert all(hours > 0 for hours in described["hours"].values())
    again = tool("sweep", study, "--work-dir", work_dir, "--jobs", 1)
    assert again.status == 0, "the choice stands"
    assert len(read_records([work_dir])[0]) == len(records)
