"""Study files, and the plans made from them."""

from pathlib import Path

import pytest

from lednet_mm.config import config_text, load_config
from lednet_mm.errors import InputError
from lednet_mm.records import new_record, write_record
from lednet_mm.studies.jobs import CONFIG, missing_steps, sha256
from lednet_mm.studies.plan import check_work_dir, make_plan, read_study
from tests.studies.tiny import provenance

ROOT = Path(__file__).resolve().parents[2]
STUDIES = sorted((ROOT / "configs" / "studies").glob("*.py"))


@pytest.fixture
def study(tmp_path):
    """Write a study on the streets configs: ``write(runs, more lines)``."""

    def write(*lines, name="mine.py"):
        path = tmp_path / name
        path.write_text("\n".join(['title = "Mine"', *lines]))
        return path

    return write


LEDNET = str(ROOT / "configs" / "lednet_streets.py")
ERFNET = str(ROOT / "configs" / "erfnet_streets.py")
PRODUCT = f'runs = [dict(configs=[{LEDNET!r}], variants=["baseline", "no_apn"], seeds=[0, 5])]'


def test_a_plan_is_the_product(study, tmp_path):
    options = 'options = {"train_cfg.max_iters": 7}'
    measure = (
        'measure = dict(accuracy="val", complexity=dict(shape=(64, 128)), latency=dict(shape=(64, 128)))'
    )
    plan = make_plan(study(PRODUCT, options, measure), tmp_path / "w")
    assert [run.name for run in plan.runs] == [
        "lednet-baseline-streets-seed0",
        "lednet-no_apn-streets-seed0",
        "lednet-baseline-streets-seed5",
        "lednet-no_apn-streets-seed5",
    ]
    assert [run.shape for run in plan.runs] == [(64, 128), (64, 128), None, None]
    assert {run.max_iters for run in plan.runs} == {7}
    assert len({run.text for run in plan.runs}) == 4
    assert [run.name for run in plan.latency.runs] == [plan.runs[0].name, plan.runs[1].name]
    assert plan.runs[1].source.name == "lednet_no_apn_streets.py"
    assert plan.runs[3].run.model_dump() == {
        "network": "lednet",
        "dataset": "streets",
        "variant": "no_apn",
        "seed": 5,
        "study": "mine",
    }
    assert make_plan(study(PRODUCT, options, measure), tmp_path / "w").runs == plan.runs
    described = plan.describe()
    assert described["baseline"] == {"network": None, "variant": "baseline"}
    assert len(described["runs"]) == 4


def test_the_config_in_the_folder_is_the_plan(study, tmp_path):
    options = 'options = {"train_dataloader.dataset.pipeline": [dict(type="RandomCrop", crop_size=(8, 8))]}'
    (first, *_) = make_plan(study(PRODUCT, options), tmp_path / "w").runs
    first.prepare()
    config = load_config(first.folder / CONFIG)
    assert config_text(config) == first.text
    assert config.train_dataloader.dataset.pipeline[0].crop_size == (8, 8)
    config.work_dir, config.resume, config.launcher = "elsewhere", True, "none"
    assert config_text(config) == first.text, "where a config runs is no part of it"


def test_options_of_a_product_come_after_those_of_the_study(study, tmp_path):
    short = f"""dict(configs=[{LEDNET!r}], options={{"train_cfg.max_iters": 3}})"""
    runs = f"runs = [{short}, dict(configs=[{ERFNET!r}])]"
    plan = make_plan(study(runs, 'options = {"train_cfg.max_iters": 9}'), tmp_path / "w")
    assert [run.max_iters for run in plan.runs] == [3, 9]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['runs = [dict(configs=["nowhere.py"])]'], "1 of its configs do not exist: .*nowhere.py"),
        (
            [f'runs = [dict(configs=[{LEDNET!r}], variants=["upside_down", "no_apn", "inside_out"])]'],
            "2 of its configs do not exist: .*lednet_upside_down_streets.py, .*lednet_inside_out_streets.py",
        ),
        (
            [f"runs = [dict(configs=[{LEDNET!r}, {LEDNET!r}])]"],
            "two runs of the name lednet-baseline-streets-seed0",
        ),
        ([PRODUCT, "measures = 3"], "measures: Extra inputs"),
        ([PRODUCT, 'measure = dict(accuracy="train")'], "measure.accuracy: "),
        (["runs = []"], "runs: "),
        (["runs = undefined"], "the study cannot be read: .*undefined"),
        ([PRODUCT, 'options = {"train_cfg.max_iters.x": 1}'], "an option of .* does not fit"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(study, lines, message):
    with pytest.raises(InputError, match=message) as raised:
        make_plan(study(*lines))
    assert "\n" not in str(raised.value)


def test_a_missing_study_is_named():
    with pytest.raises(InputError, match=r"nope\.py: no such study"):
        read_study("nope.py")


def test_only_records_of_this_config_count(study, tmp_path):
    (run, *_) = make_plan(
        study(PRODUCT, "measure = dict(complexity=dict(shape=(64, 128)))"), tmp_path / "w"
    ).runs
    run.prepare()

    def record(kind, text=run.text, **details):
        values = {"miou_percent": 12.5} if kind == "accuracy" else {"reason": "no luck"}
        return new_record(kind, run.run, text, values, details, provenance())

    def steps(*records):
        return missing_steps(records, sha256(run.text), "test", (64, 128))

    complexity, train = record("complexity", shape=[64, 128]), record("train")
    val, test = record("accuracy", split="val"), record("accuracy", split="test")
    assert steps() == ["complexity", "train", "test"]
    assert steps(complexity) == ["train", "test"]
    assert steps(complexity, train) == ["train", "test"], "cut off between two records"
    assert steps(complexity, train, val) == ["test"]
    assert steps(complexity, train, val, test) == []
    assert steps(record("complexity", shape=[8, 8]), train, val, test) == ["complexity"]
    assert steps(complexity, record("train", "other"), val, test) == ["train"]

    assert run.status().state == "waiting"
    (run.folder / "iter_3.pth").touch()
    assert run.status().state == "cut off"
    write_record(record("failure"), run.folder)
    assert (run.status().state, run.status().reason) == ("failed", "no luck")
    for done in (complexity, train, val, test):
        write_record(done, run.folder)
    assert (run.status().state, run.status().miou_percent) == ("finished", 12.5)


def test_a_changed_study_does_not_continue_its_old_runs(study, tmp_path):
    plan = make_plan(study(PRODUCT), tmp_path / "w")
    for run in plan.runs:
        run.prepare()
    check_work_dir(plan)
    changed = make_plan(study(PRODUCT, 'options = {"train_cfg.max_iters": 8}'), tmp_path / "w")
    with pytest.raises(InputError, match=r"4 folders hold runs of another config \(first: .*seed0\)"):
        check_work_dir(changed)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_the_studies_of_the_project_plan(path, tmp_path):
    plan = make_plan(path, tmp_path)
    known = {run.run.variant for run in plan.runs} | {run.run.network for run in plan.runs}
    assert set(plan.study.expectations) <= known
    baseline = plan.study.baseline
    if baseline.network:
        assert (baseline.network, baseline.variant) in {
            (run.run.network, run.run.variant) for run in plan.runs
        }


def test_a_pattern_stands_for_the_configs_that_match(study, tmp_path):
    pattern = str(ROOT / "configs" / "[el]*net_streets.py")
    plan = make_plan(study(f"runs = [dict(configs=[{pattern!r}])]"), tmp_path / "w")
    assert [run.name for run in plan.runs] == [
        "erfnet-baseline-streets-seed0",
        "lednet-baseline-streets-seed0",
    ]
    with pytest.raises(InputError, match=r"no config matches \.\./\*_moon.py"):
        make_plan(study('runs = [dict(configs=["../*_moon.py"])]'), tmp_path / "w")


def test_the_studies_of_all_networks_hold_every_network(tmp_path):
    networks = {path.stem for path in (ROOT / "configs/_base_/networks").glob("*.py")}
    for dataset in ("camvid", "cityscapes"):
        plan = make_plan(ROOT / f"configs/studies/networks_{dataset}.py", tmp_path / dataset)
        assert {run.run.network for run in plan.runs} == networks
