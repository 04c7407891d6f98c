"""Study files, and the plans made from them."""

import json
import shutil
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from lednet_mm.catalog import PLANNED, network_files, variants_of
from lednet_mm.config import config_text, load_config
from lednet_mm.errors import InputError
from lednet_mm.evaluation.confusion import pack
from lednet_mm.evaluation.corruptions import Corruption
from lednet_mm.evaluation.measures import MEASURES
from lednet_mm.records import new_record, write_record
from lednet_mm.studies.jobs import Wanted, missing_steps, sha256
from lednet_mm.studies.plan import STUDY, check_work_dir, make_plan, read_study
from lednet_mm.studies.worker import read_corruption
from lednet_mm.timing.backends import TIMED
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
ERFNET = 'dict(networks=["erfnet"], datasets=["streets"])'
PRODUCT = f'runs = [dict(configs=[{LEDNET!r}], variants=["default", "no_apn"], seeds=[0, 5])]'


def test_a_plan_is_the_product(study, tmp_path):
    options = 'options = {"train_cfg.max_iters": 7}'
    measure = (
        'measure = dict(accuracy="val", complexity=dict(shape=(64, 128)), latency=dict(shape=(64, 128)))'
    )
    plan = make_plan(study(PRODUCT, options, measure), tmp_path / "w")
    assert [run.name for run in plan.runs] == [
        "lednet-default-streets-seed0",
        "lednet-no_apn-streets-seed0",
        "lednet-default-streets-seed5",
        "lednet-no_apn-streets-seed5",
    ]
    assert [run.wanted.shape for run in plan.runs] == [(64, 128), (64, 128), None, None]
    assert {run.max_iters for run in plan.runs} == {7}
    assert len({run.text for run in plan.runs}) == 4
    assert [run.name for run in plan.latency.runs] == [plan.runs[0].name, plan.runs[1].name]
    assert plan.runs[1].source == "configs/lednet_streets.py"
    assert plan.runs[3].run.model_dump() == {
        "network": "lednet",
        "dataset": "streets",
        "variant": "no_apn",
        "seed": 5,
        "study": "mine",
        "trial": None,
    }
    assert make_plan(study(PRODUCT, options, measure), tmp_path / "w").runs == plan.runs
    described = plan.describe()
    assert described["baseline"] == {"network": None, "variant": "default"}
    assert len(described["runs"]) == 4


def test_networks_crossed_with_recipes_have_paired_seeds(study, tmp_path):
    networks = 'networks=["lednet", "erfnet"], datasets=["cityscapes"]'
    runs = f'runs = [dict({networks}, recipes=["common", "lednet_authors"], seeds=[0, 1])]'
    plan = make_plan(study(runs), tmp_path / "w")
    cells = {(run.run.network, run.recipe, run.run.seed) for run in plan.runs}
    recipes = ("common", "lednet_authors")
    assert cells == {(n, r, s) for n in ("lednet", "erfnet") for r in recipes for s in (0, 1)}
    assert len({run.name for run in plan.runs}) == 8
    described = plan.describe()["recipes"]
    assert described["erfnet-lednet_authors-cityscapes-seed1"] == "lednet_authors"
    assert described["erfnet-default-cityscapes-seed1"] == "common"


def test_the_config_in_the_folder_is_the_plan(study, tmp_path):
    options = 'options = {"train_dataloader.dataset.pipeline": [dict(type="RandomCrop", crop_size=(8, 8))]}'
    (first, *_) = make_plan(study(PRODUCT, options), tmp_path / "w").runs
    first.prepare()
    config = load_config(first.folder / PLANNED)
    assert config_text(config) == first.text
    assert config.train_dataloader.dataset.pipeline[0].crop_size == (8, 8)
    config.work_dir, config.resume, config.launcher = "elsewhere", True, "none"
    assert config_text(config) == first.text, "where a config runs is no part of it"


def test_options_of_a_product_come_after_those_of_the_study(study, tmp_path):
    short = f"""dict(configs=[{LEDNET!r}], options={{"train_cfg.max_iters": 3}})"""
    runs = f"runs = [{short}, {ERFNET}]"
    plan = make_plan(study(runs, 'options = {"train_cfg.max_iters": 9}'), tmp_path / "w")
    assert [run.max_iters for run in plan.runs] == [3, 9]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['runs = [dict(configs=["nowhere.py"])]'], "1 of its configs do not exist: .*nowhere.py"),
        (
            [f'runs = [dict(configs=[{LEDNET!r}], variants=["upside_down", "no_apn", "inside_out"])]'],
            "lednet has no variant 'upside_down': there are default, ",
        ),
        (
            [f"runs = [dict(configs=[{LEDNET!r}, {LEDNET!r}])]"],
            "two runs have the name lednet-default-streets-seed0",
        ),
        ([PRODUCT, "measures = 3"], "measures: Extra inputs"),
        ([PRODUCT, 'measure = dict(accuracy="train")'], "measure.accuracy: "),
        (["runs = []"], "runs: "),
        (["runs = undefined"], "the study cannot be read: .*undefined"),
        ([PRODUCT, 'options = {"train_cfg.max_iters.x": 1}'], "an option of .* does not fit"),
        ([PRODUCT, 'options = {"randomness": 3}'], "randomness = 3 is no dict"),
        ([PRODUCT, 'options = {"custom_hooks": [object()]}'], "a value in it is not a plain one"),
        (
            [PRODUCT, 'options = {"network": "../elsewhere"}'],
            r"lednet_streets.py: network: a name has .* '../elsewhere'",
        ),
        ([PRODUCT, 'options = {"dataset": "x" * 101}'], "dataset: a name has .* 'x+'"),
        ([PRODUCT, 'options = {"variant": "a\\nb"}'], "variant: a name has"),
        ([PRODUCT, 'options = {"network": 5}'], "network: Input should be a valid string"),
        (['runs = [dict(configs=["x.py"], variants=["../../x"])]'], "variants.0: .*a name has"),
        (['runs = [dict(configs=["x.py"], seeds=[-1])]'], "runs.0.seeds.0: .*greater than or equal to 0"),
        (['runs = [dict(configs=["x.py"], seeds=[2**32])]'], "runs.0.seeds.0: .*less than"),
        (['runs = [dict(configs=["x.py"], seeds=[0, 1, 1])]'], "runs.0.seeds: .*1 is listed twice"),
        (['runs = [dict(configs=["x.py"], seeds=["0"])]'], "runs.0.seeds.0: .*valid integer"),
        ([f"runs = [dict(configs=[{LEDNET!r}], seeds=list(range(100_001)))]"], "more than 100,000 runs"),
        ([PRODUCT, "limits = dict(no_progress_minutes=0)"], "limits.no_progress_minutes: "),
        ([PRODUCT, "raise SystemExit"], "the study cannot be read: SystemExit"),
        (
            [PRODUCT, 'options = {"test_dataloader.dataset.split": "train"}'],
            "test_dataloader has the data of the split 'train', but a study measures val or test",
        ),
        ([PRODUCT, 'options = {"test_dataloader": None}'], "no test_dataloader in this config"),
        (
            [
                PRODUCT,
                'options = {"test_dataloader.dataset.split": "val", "val_dataloader.dataset.split": "train"}',
            ],
            "test_dataloader has the data of val, but val_dataloader has not",
        ),
        (
            [PRODUCT, "measure = dict(calibrations=True)"],
            "no measure is called 'calibrations'; there are accuracy, .*; did you mean calibration",
        ),
        ([PRODUCT, 'measure = dict(measures=["boundary"])'], "measure: .*no measure is called 'measures'"),
        ([PRODUCT, 'measure = dict(boundary="no")'], "boundary is 'no', where True or False is needed"),
        (
            [PRODUCT, 'measure = dict(corruptions=dict(names=["fogg"]))'],
            "measure.corruptions: .*no corruption 'fogg', but all, .*did you mean fog",
        ),
        (
            [PRODUCT, 'measure = dict(corruptions=dict(names="all", severities=[3, 6]))'],
            "measure.corruptions: .*no severity 6 of a corruption: severities are 1 to 5",
        ),
        ([PRODUCT, "measure = dict(corruptions=dict(severities=[1]))"], "measure.corruptions.names: "),
        ([PRODUCT, "measure = dict(corruptions=dict(names=[]))"], "measure.corruptions.names: "),
        (
            [PRODUCT, 'measure = dict(corruptions=dict(names="fog", severities=[]))'],
            "measure.corruptions.severities: ",
        ),
        (
            [PRODUCT, 'options = {"model.backbone.shuffle": False}'],
            "shuffle changes the network: give the changed",
        ),
        (
            [PRODUCT, 'options = {"val_dataloader": None, "test_dataloader.dataset.split": "test"}'],
            "no val_dataloader in this config",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(study, lines, message):
    with pytest.raises(InputError, match=message) as raised:
        make_plan(study(*lines))
    assert "\n" not in str(raised.value)


def test_a_missing_study_is_named():
    with pytest.raises(InputError, match=r"nope\.py: no such study"):
        read_study("nope.py")


def test_a_study_is_python_under_a_name(study):
    with pytest.raises(InputError, match=r"a study is a Python file, whose name ends in \.py"):
        read_study(study(PRODUCT, name="mine.yaml"))
    with pytest.raises(InputError, match="a name has") as raised:
        read_study(study(PRODUCT, name=" mine\n.py"))
    assert "\n" not in str(raised.value)


def test_long_names_make_folders_that_a_file_system_takes(study, tmp_path):
    names = {"network": "n" * 100, "dataset": "d" * 100}
    plans = [
        make_plan(study(PRODUCT, f"options = {names | {'dataset': dataset * 100}!r}"), tmp_path / "w")
        for dataset in "de"
    ]
    folders = [run.name for plan in plans for run in plan.runs]
    assert len(set(folders)) == 8
    assert max(map(len, folders)) <= 200
    assert all(name.endswith(("-seed0", "-seed5")) for name in folders)
    plans[0].runs[0].prepare()


def test_only_records_of_this_config_count(study, tmp_path):
    (run, *_) = make_plan(
        study(PRODUCT, "measure = dict(complexity=dict(shape=(64, 128)))"), tmp_path / "w"
    ).runs
    run.prepare()

    def record(kind, text=run.text, **details):
        values = {
            "accuracy": {"miou_percent": 12.5},
            "complexity": {"params": 1, "params_train": 1, "macs": 1},
            "failure": {"reason": "no luck"},
            "train": {"iterations": 1},
        }
        return new_record(kind, run.run, text, values[kind], details, provenance())

    def steps(*records):
        return missing_steps(records, sha256(run.text), Wanted("test", (64, 128)))

    complexity, train = record("complexity", shape=[64, 128]), record("train")
    val, test = record("accuracy", split="val"), record("accuracy", split="test")
    assert steps() == ["complexity", "train", "test"]
    assert steps(complexity) == ["train", "test"]
    assert steps(complexity, train) == ["train", "test"], "cut off between two records"
    assert steps(complexity, train, val) == ["test"]
    assert steps(complexity, train, val, test) == []
    assert steps(record("complexity", shape=[8, 8]), train, val, test) == ["complexity"]
    assert steps(complexity, record("train", "other"), val, test) == ["train", "test"]

    assert run.status().state == "waiting"
    (run.folder / "iter_3.pth").touch()
    assert run.status().state == "cut off"
    write_record(record("failure"), run.folder)
    assert (run.status().state, run.status().reason) == ("failed", "no luck")
    for done in (complexity, train, val, test):
        write_record(done, run.folder)
    assert (run.status().state, run.status().miou_percent) == ("finished", 12.5)


def test_only_tests_of_the_trained_weights_are_results(study, tmp_path):
    options = 'options = {"test_dataloader.dataset.split": "test"}'
    (run, *_) = make_plan(study(PRODUCT, options), tmp_path / "w").runs
    assert run.wanted == Wanted("test")

    def record(kind, weights, values, **details):
        where = provenance().model_copy(update={"checkpoint_sha256": weights})
        return new_record(kind, run.run, run.text, values, details, where)

    def tested(weights, miou=50.0, **details):
        return record("accuracy", weights, {"miou_percent": miou}, split="test", **details)

    def steps(*records):
        return missing_steps(records, sha256(run.text), Wanted("test"))

    short, train = record("train", "a", {"iterations": 2}), record("train", "b", {"iterations": 4})
    val = record("accuracy", "b", {"miou_percent": 20.0}, split="val")
    assert steps(tested("a")) == ["train", "test"], "a test by hand of an unfinished run"
    assert steps(train, val, tested("a")) == ["test"]
    assert steps(train, short, val, tested("a")) == ["test"], "the training that went furthest counts"
    assert steps(train, val, tested("b", tta=True)) == ["test"]
    assert steps(train, val, tested("b", tta=False)) == steps(train, val, tested(None)) == []

    differing = tested("b")
    differing = differing.model_copy(update={"details": {**differing.details, "differs": ["model.depth"]}})
    assert steps(train, val, differing) == ["test"]

    run.prepare()
    write_record(tested("a"), run.folder)
    assert (run.status().state, run.status().miou_percent) == ("waiting", None)
    for done in (train, val, tested("b", 70.0, tta=True)):
        write_record(done, run.folder)
    assert (run.status().state, run.status().miou_percent) == ("waiting", 20.0)
    write_record(tested("b", 30.0), run.folder)
    assert (run.status().state, run.status().miou_percent) == ("finished", 30.0)


def test_each_measure_is_a_key_of_the_study(study, tmp_path):
    keys = ", ".join(f"{name}=True" for name in MEASURES)
    chosen = 'corruptions=dict(names=["fog", "snow"], severities=[4, 2])'
    (run, *_) = make_plan(study(PRODUCT, f"measure = dict({keys}, {chosen})"), tmp_path / "w").runs
    four = tuple(Corruption(name, severity) for name in ("fog", "snow") for severity in (2, 4))
    assert (run.wanted.measures, run.wanted.corruptions) == (tuple(MEASURES), four)
    command = " ".join(run.command())
    assert f"--measures {' '.join(MEASURES)} --corruptions fog:2 fog:4 snow:2 snow:4 -- " in command
    assert [read_corruption(text) for text in ("fog:2", "jpeg_compression:5")] == [
        Corruption("fog", 2),
        Corruption("jpeg_compression", 5),
    ]
    everything = 'measure = dict(boundary=True, object_size=False, corruptions=dict(names="all"))'
    (run, *_) = make_plan(study(PRODUCT, everything), tmp_path / "w").runs
    assert (run.wanted.measures, len(run.wanted.corruptions)) == (("boundary",), 75)


def test_without_the_library_of_corruptions_there_is_one_clear_line(study, tmp_path, monkeypatch):
    def version(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    wanted = 'measure = dict(corruptions=dict(names="fog"))'
    with pytest.raises(
        InputError, match=r"imagecorruptions-imaug: pip install -e '\.\[corruptions\]'"
    ) as raised:
        make_plan(study(PRODUCT, wanted), tmp_path / "w")
    assert "\n" not in str(raised.value)
    make_plan(study(PRODUCT), tmp_path / "w")


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_measure_that_is_added_later_is_all_that_is_missing(study, tmp_path, split):
    """A measure counts if a record of the trained weights, the split and the unchanged images has it."""
    lines = [PRODUCT, 'options = {"test_dataloader.dataset.split": "test"}']
    measure = f'measure = dict(accuracy="{split}"{{}})'
    (run, *_) = make_plan(study(*lines, measure.format("")), tmp_path / "w").runs

    def record(kind, weights="b", **details):
        values = {"iterations": 4} if kind == "train" else {"miou_percent": 50.0}
        where = provenance().model_copy(update={"checkpoint_sha256": weights})
        return new_record(kind, run.run, run.text, values, details, where)

    def corrupted(name, severity, weights="b", **details):
        named = {"corruption": name, "severity": severity, "library": "x 1"}
        return record("corruption", weights, **{"split": split, **named, **details})

    run.prepare()
    for done in (record("train"), record("accuracy", split="val"), record("accuracy", split=split)):
        write_record(done, run.folder)
    assert run.status().state == "finished"

    chosen = 'corruptions=dict(names=["fog", "snow"], severities=[3])'
    more = measure.format(f", calibration=True, boundary=True, {chosen}")
    (run, *_) = make_plan(study(*lines, more), tmp_path / "w").runs
    counts = pack(np.ones((1, 3, 15), np.int64))
    names = {"images": 1, "per_image_names": ["a.png"]}
    other = {"val": "test", "test": "val"}[split]
    status = run.status()
    assert (status.state, status.miou_percent) == ("waiting", 50.0)
    assert status.reason == "trained; left to measure: calibration, boundary, fog 3, snow 3"
    for of_something_else in (
        record("accuracy", split=other, per_image_calibration=counts, **names),
        record("accuracy", "a", split=split, per_image_calibration=counts, **names),
        record("accuracy", split=split, tta=True, per_image_calibration=counts, **names),
        corrupted("fog", 3, "a"),
        corrupted("fog", 3, split=other),
        corrupted("fog", 2),
        corrupted("fog", 3, tta=True),
    ):
        write_record(of_something_else, run.folder)
        assert run.status() == status
    write_record(record("accuracy", split=split, per_image_calibration=counts, **names), run.folder)
    write_record(corrupted("fog", 3), run.folder)
    assert run.status().reason == "trained; left to measure: boundary, snow 3"
    write_record(record("accuracy", split=split, per_image_boundary=counts, **names), run.folder)
    write_record(corrupted("snow", 3), run.folder)
    assert run.status().state == "finished"


def test_only_latencies_of_the_protocol_are_results(study, tmp_path):
    measure = "measure = dict(latency=dict(shape=(64, 128), samples=20, seconds=2.0))"
    job = make_plan(study(f"runs = [dict(configs=[{LEDNET!r}])]", measure), tmp_path / "w").latency
    (run,) = job.runs
    as_asked = {
        **{"shape": [64, 128], "batch_size": 1, "engine": "eager", "deployed": False},
        **{"timed": TIMED["network"], "interleaved_with": ["b"], "machine": {"seconds": 1.0}},
    }

    def state(samples=20, precision="fp32", **details):
        shutil.rmtree(job.folder, ignore_errors=True)
        values = {"latency_ms_p50": 1, "latency_ms_p90": 1, "latency_ms_p99": 1, "fps_p50": 1000}
        where = provenance().model_copy(update={"precision": precision, "device": "another"})
        values["samples"] = samples
        write_record(
            new_record("latency", run.run, run.text, values, {**as_asked, **details}, where), job.folder
        )
        return job.status().state

    assert state() == "finished"
    for other in (
        {"shape": [64, 64]},
        {"batch_size": 4},
        {"engine": "onnxruntime"},
        {"deployed": True},
        {"precision": "bf16"},
        {"timed": TIMED["prediction"]},
        {"samples": 3},
    ):
        assert state(**other) == "waiting", other
    assert state(samples=3, machine={"seconds": 4.0}) == "finished", "two networks had 2 s each"
    assert state(samples=3, machine={"seconds": 3.0}) == "waiting"


def test_a_changed_study_does_not_continue_its_old_runs(study, tmp_path):
    plan = make_plan(study(PRODUCT), tmp_path / "w")
    for run in plan.runs:
        run.prepare()
    check_work_dir(plan)
    changed = make_plan(study(PRODUCT, 'options = {"train_cfg.max_iters": 8}'), tmp_path / "w")
    with pytest.raises(InputError, match=r"4 folders have runs of another config \(first: .*seed0\)"):
        check_work_dir(changed)


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record["details"].pop("split"),
        lambda record: record["details"].update(split={"a": [1]}),
        lambda record: record["values"].pop("miou_percent"),
        lambda record: record["values"].update(miou_percent="high"),
        lambda record: record.update(kind="failure", values={}),
        lambda record: record.update(kind="complexity", details={"shape": [[1], {}]}),
    ],
)
def test_a_record_of_odd_content_does_not_end_a_sweep(study, tmp_path, change):
    (run, *_) = make_plan(study(PRODUCT, "measure = dict(complexity=dict(shape=(64, 128)))"), tmp_path).runs
    values = {"miou_percent": 12.5}
    path = write_record(
        new_record("accuracy", run.run, run.text, values, {"split": "test"}, provenance()), run.folder
    )
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    assert run.status().state in ("waiting", "failed")
    assert run.status().miou_percent in (None, 12.5)


def began(plan):
    """Write the files of a sweep that has begun every run of a plan."""
    for run in plan.runs:
        run.prepare()
    (plan.work_dir / STUDY).write_text(json.dumps(plan.describe()))


def test_more_seeds_and_variants_are_the_same_study(study, tmp_path):
    began(make_plan(study(PRODUCT, 'expectations = dict(no_apn="worse")'), tmp_path / "w"))
    more = f'runs = [dict(configs=[{LEDNET!r}], variants=["default", "no_apn", "no_bn"], seeds=[0, 5, 6])]'
    expected = 'expectations = dict(no_apn="worse", no_bn="far worse")'
    check_work_dir(make_plan(study(more, expected, "limits = dict(no_progress_minutes=5)"), tmp_path / "w"))


@pytest.mark.parametrize(
    ("lines", "name", "words"),
    [
        ([PRODUCT], "another.py", "its name is 'mine' there and 'another' here"),
        ([PRODUCT, 'title = "Yours"'], "mine.py", "its title is 'Mine' there and 'Yours' here"),
        (
            [PRODUCT, 'expectations = dict(no_apn="better")'],
            "mine.py",
            "what is expected of no_apn is 'worse'",
        ),
        ([f"runs = [dict(configs=[{LEDNET!r}])]"], "mine.py", "3 of its runs are not in this study"),
        (
            [
                PRODUCT,
                'expectations = dict(no_apn="worse")',
                'options = {"optim_wrapper.optimizer.lr": 0.25}',
            ],
            "mine.py",
            r"4 folders have runs of another config .*lr is 0.002 there and 0.25 here",
        ),
    ],
)
def test_a_second_study_does_not_mix_with_the_first(study, tmp_path, lines, name, words):
    began(make_plan(study(PRODUCT, 'expectations = dict(no_apn="worse")'), tmp_path / "w"))
    before = (tmp_path / "w" / STUDY).read_bytes()
    second = make_plan(study(*lines, name=name), tmp_path / "w")
    with pytest.raises(InputError, match=words) as raised:
        check_work_dir(second)
    assert "--work-dir" in str(raised.value)
    assert (tmp_path / "w" / STUDY).read_bytes() == before
    for run in (tmp_path / "w").iterdir():
        if run.is_dir():
            shutil.rmtree(run)
    check_work_dir(second)  # nothing of the first is left


def test_a_config_changed_by_hand_is_told_from_a_changed_study(study, tmp_path):
    plan = make_plan(study(PRODUCT), tmp_path / "w")
    began(plan)
    path = plan.runs[0].folder / PLANNED
    path.write_text(path.read_text().replace("max_iters", "most_iters"))
    check_work_dir(plan)  # the other runs go on
    status = plan.runs[0].status()
    assert status.state == "failed"
    assert "train_cfg.most_iters" in status.reason
    assert "changed by hand" in status.reason


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"title": 1}', b"\xff"])
def test_a_damaged_study_json_is_named(study, tmp_path, content):
    plan = make_plan(study(PRODUCT), tmp_path / "w")
    began(plan)
    (tmp_path / "w" / STUDY).write_bytes(content)
    with pytest.raises(InputError, match=r"study\.json: not a study of this project"):
        check_work_dir(plan)


def test_the_timing_does_not_need_the_folders_of_the_runs(study, tmp_path):
    plan = make_plan(study(PRODUCT, "measure = dict(latency=dict(shape=(64, 128)))"), tmp_path / "w")
    plan.runs[0].folder.parent.mkdir()
    plan.runs[0].folder.write_text("a file")
    plan.latency.prepare()
    configs = [Path(part) for part in plan.latency.command() if part.endswith(".py")]
    assert [config_text(load_config(path)) for path in configs] == [run.text for run in plan.latency.runs]


@pytest.mark.thorough
@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_the_studies_of_the_project_plan(path, tmp_path):
    plan = make_plan(path, tmp_path)
    known = {run.run.variant for run in plan.runs} | {run.run.network for run in plan.runs}
    assert set(plan.study.expectations) <= known
    if path.stem.startswith("networks_"):
        assert {run.run.network for run in plan.runs} == set(network_files())
    for baseline in plan.study.baseline:
        if baseline.network is None:
            continue
        assert (baseline.network, baseline.variant) in {
            (run.run.network, run.run.variant) for run in plan.runs
        }


def test_a_pattern_stands_for_what_matches(study, tmp_path):
    pattern = str(ROOT / "configs" / "lednet_str*.py")
    plan = make_plan(study(f"runs = [dict(configs=[{pattern!r}])]"), tmp_path / "w")
    assert [run.name for run in plan.runs] == ["lednet-default-streets-seed0"]
    with pytest.raises(InputError, match=r"no config matches \.\./\*_moon.py"):
        make_plan(study('runs = [dict(configs=["../*_moon.py"])]'), tmp_path / "w")
    plan = make_plan(study('runs = [dict(networks=["[ef]??net"], datasets=["streets"])]'), tmp_path / "w")
    found = [run.run.network for run in plan.runs]
    assert {"edanet", "erfnet", "espnet", "fpenet", "fssnet"} <= set(found)
    assert all(len(name) == 6 and name[0] in "ef" and name.endswith("net") for name in found)
    with pytest.raises(InputError, match=r"no network matches moon\*"):
        make_plan(study('runs = [dict(networks=["moon*"], datasets=["streets"])]'), tmp_path / "w")


def test_recipes_are_crossed_with_networks(study, tmp_path):
    product = (
        'dict(networks=["lednet", "dabnet"], datasets=["streets"], recipes=["common", "lednet_authors"])'
    )
    plan = make_plan(study(f"runs = [{product}]"), tmp_path / "w")
    assert [run.name for run in plan.runs] == [
        "lednet-default-streets-seed0",
        "lednet-lednet_authors-streets-seed0",
        "dabnet-default-streets-seed0",
        "dabnet-lednet_authors-streets-seed0",
    ]
    assert [run.max_iters for run in plan.runs] == [2000, 300 * 200 // 8] * 2


def test_what_is_expected_of_variants_stands_in_their_file(study, tmp_path):
    runs = 'runs = [dict(networks=["lednet"], datasets=["streets"], variants=["default", "no_apn", "prelu"])]'
    own = 'expectations = dict(prelu="nothing in so short a time")'
    described = make_plan(study(runs, own), tmp_path / "w").describe()
    known = variants_of("lednet")
    assert described["expectations"] == {
        "no_apn": known["no_apn"].expectation,
        "prelu": "nothing in so short a time",
    }
    assert described["questions"] == {name: known[name].question for name in ("no_apn", "prelu")}
