"""Faulty study files, and faulty work folders of studies."""

from __future__ import annotations

import json
import shutil

from lednet_mm.catalog import PLANNED
from lednet_mm.studies.plan import STUDY, make_plan
from tests.conftest import ROOT
from tests.faults.place import Fault

LEDNET = str(ROOT / "configs" / "lednet_streets.py")
RUNS = f"runs = [dict(configs=[{LEDNET!r}])]"


def of_study(what, content, *says, name="study.py"):
    """Return a fault with a study of this content; lines are added to a title."""
    text = content if isinstance(content, bytes) else "\n".join(['title = "T"', *content])

    def arrange(place):
        return "sweep", place.file(name, text), "--work-dir", place.folder / "w", "--dry-run"

    return Fault(f"{what}, in a study", "G", arrange, says=says)


def of_runs(what, part, *says):
    """Return a fault with a study whose runs have one more key."""
    return of_study(what, [f"runs = [dict(configs=[{LEDNET!r}], {part})]"], *says)


STUDIES = [
    of_study("a study in YAML", b"title: T", "Python file", name="study.yaml"),
    of_study("a study in JSON", b"{}", "Python file", name="study.json"),
    of_study("a study whose name breaks the line", [RUNS], "a name has", r"st udy", name="st\nudy.py"),
    of_study("a study that is hidden", [RUNS], "a name has", name=".study.py"),
    of_study("a study with a syntax error", b"title = (", "study.py", "SyntaxError"),
    of_study("a study that raises", [RUNS, "1 / 0"], "ZeroDivisionError"),
    of_study("a study that leaves the process", [RUNS, "import sys", "sys.exit(0)"], "SystemExit"),
    of_study("a study that is no text", b"\xff\xfe\x00", "study.py", "cannot be read"),
    of_study("a study that is its own base", [RUNS, '_base_ = "study.py"'], "study.py takes study.py"),
    of_study("an empty study", b"", "title: Field required"),
    of_study("a study without runs", [], "runs: Field required"),
    of_study("no runs in the list", ["runs = []"], "runs: "),
    of_study("an empty title", [RUNS, 'title = ""'], "title: "),
    of_study("a title that is a number", [RUNS, "title = 5"], "title: "),
    of_study("a key that does not exist", [RUNS, "measures = {}"], "measures: "),
    of_study("a config that does not exist", ['runs = [dict(configs=["x.py"])]'], "x.py", "not exist"),
    of_study("a pattern without a match", ['runs = [dict(configs=["x*.py"])]'], "no config matches x*.py"),
    of_study("no configs", ["runs = [dict(configs=[])]"], "give networks and datasets, or configs"),
    of_study(
        "a config of another kind", [f"runs = [dict(configs=[{str(ROOT / 'README.md')!r}])]"], "README.md"
    ),
    of_study("the same run twice", [f"runs = [dict(configs=[{LEDNET!r}] * 2)]"], "two runs have the name"),
    of_runs("a variant that does not exist", 'variants=["x"]', "lednet has no variant 'x'"),
    of_runs("a variant that leads elsewhere", 'variants=["../x"]', "a name has", "'../x'"),
    of_runs("a negative seed", "seeds=[-1]", "runs.0.seeds.0"),
    of_runs("a seed that NumPy does not take", "seeds=[2**32]", "runs.0.seeds.0"),
    of_runs("a seed twice", "seeds=[3, 3]", "3 is listed twice"),
    of_runs("a seed that is text", 'seeds=["0"]', "valid integer"),
    of_runs("a seed that is half a number", "seeds=[0.5]", "valid integer"),
    of_runs("a seed that is a truth", "seeds=[True]", "valid integer"),
    of_runs("no seeds", "seeds=[]", "runs.0.seeds: "),
    of_runs("too many runs", "seeds=list(range(100_001))", "more than 100,000 runs"),
    of_runs("an option into a number", 'options={"train_cfg.max_iters.x": 1}', LEDNET.rpartition("/")[2]),
    of_runs("an option of a list item that is not there", 'options={"param_scheduler.9.x": 1}', "option"),
    of_runs("an option under a number", "options={5: 1}", "runs.0.options"),
    of_runs("an object as an option", 'options={"train_cfg.max_iters": object()}', "not a plain one"),
    of_runs("a function as an option", 'options={"train_cfg.max_iters": print}', "not a plain one"),
    of_runs("randomness that is no mapping", 'options={"randomness": 3}', "randomness = 3"),
    of_runs("no data to train on", 'options={"train_dataloader": None}', "no train_dataloader"),
    of_runs("a network called like a path", 'options={"network": "../x"}', "network: a name has", "'../x'"),
    of_runs("a dataset called like a path", 'options={"dataset": "/x"}', "dataset: a name has", "'/x'"),
    of_runs("a variant called like a path", r'options={"variant": "..\\x"}', "variant: a name has"),
    of_runs("a network without a name", 'options={"network": ""}', "network: "),
    of_runs("a network of 101 characters", 'options={"network": "n" * 101}', "network: a name has"),
    of_runs("a network with an escape", r'options={"network": "\x1b[31m"}', "network: a name has"),
    of_runs("a network that is a number", 'options={"network": 5}', "network: "),
    of_study("a split that does not exist", [RUNS, 'measure = dict(accuracy="x")'], "measure.accuracy"),
    of_study(
        "a shape of nothing", [RUNS, "measure = dict(complexity=dict(shape=(0, 8)))"], "measure.complexity"
    ),
    of_study(
        "one number as a shape", [RUNS, "measure = dict(latency=dict(shape=8))"], "measure.latency.shape"
    ),
    of_study("no patience", [RUNS, "limits = dict(no_progress_minutes=0)"], "limits.no_progress_minutes"),
    of_study("endless patience", [RUNS, 'limits = dict(no_progress_minutes=float("inf"))'], "limits.no_pro"),
    of_study("a baseline that is a name", [RUNS, 'baseline = "lednet"'], "baseline.0: "),
    of_study(
        "an expectation that is a number", [RUNS, "expectations = dict(no_apn=1)"], "expectations.no_apn"
    ),
]


def of_work_dir(what, damage, *says, second=("",), dry_run=True):
    """Return a fault with a damaged work folder, in which the same study or a second one is run."""

    def arrange(place):
        study = place.file("study.py", f'title = "T"\n{RUNS}\nexpectations = dict(no_apn="worse")\n')
        plan = make_plan(study, place.folder / "w")
        for run in plan.runs:
            run.prepare()
        (place.folder / "w" / STUDY).write_text(json.dumps(plan.describe(), indent=1))
        damage(place.folder / "w", plan)
        for line in second:
            study.write_text(f"{study.read_text()}{line}\n")
        return "sweep", study, "--work-dir", place.folder / "w", *(["--dry-run"] if dry_run else [])

    return Fault(what, "G", arrange, says=says)


def nothing(work_dir, plan):
    """Leave the folder as it is."""


def write_study(content):
    return lambda work_dir, plan: (work_dir / STUDY).write_bytes(content)


def study_as_a_folder(work_dir, plan):
    (work_dir / STUDY).unlink()
    (work_dir / STUDY).mkdir()


def a_file_as_work_dir(work_dir, plan):
    shutil.rmtree(work_dir)
    work_dir.write_text("a file")


def another_name(work_dir, plan):
    content = json.loads((work_dir / STUDY).read_text())
    (work_dir / STUDY).write_text(json.dumps({**content, "name": "other"}))


def another_run(work_dir, plan):
    content = json.loads((work_dir / STUDY).read_text())
    content["runs"].append({**content["runs"][0], "folder": "other"})
    (work_dir / STUDY).write_text(json.dumps(content))
    (work_dir / "other").mkdir()


WORK_DIRS = [
    of_work_dir("study.json is no JSON", write_study(b"{"), "w/study.json", "not a study"),
    of_work_dir("study.json is a list", write_study(b"[]"), "w/study.json", "not a study"),
    of_work_dir("study.json lacks keys", write_study(b'{"name": "x"}'), "w/study.json", "not a study"),
    of_work_dir("study.json is no text", write_study(b"\xff"), "w/study.json", "not a study"),
    of_work_dir("study.json nests deeply", write_study(b"[" * 100_000), "w/study.json", "not a study"),
    of_work_dir("study.json is a folder", study_as_a_folder, "w/study.json", "not a regular file"),
    of_work_dir("a file as work folder", a_file_as_work_dir, "w", "a file stands where"),
    of_work_dir("the same, begun", a_file_as_work_dir, "w", "a file stands where", dry_run=False),
    of_work_dir("a study of another name", another_name, "its name is 'other' there", dry_run=False),
    of_work_dir("a study of other runs", another_run, "1 of its runs are not in this study", dry_run=False),
    of_work_dir(
        "another title", nothing, "its title is 'T' there and 'U' here", second=['title = "U"'], dry_run=False
    ),
    of_work_dir(
        "another baseline", nothing, "its baseline", second=['baseline = dict(network="x")'], dry_run=False
    ),
    of_work_dir(
        "an expectation changed after the runs",
        nothing,
        "what is expected of no_apn is 'worse' there and 'better' here",
        second=['expectations = dict(no_apn="better")'],
        dry_run=False,
    ),
    of_work_dir(
        "another option",
        nothing,
        "w/lednet-default-streets-seed0",
        "train_cfg.max_iters is",
        second=['options = {"train_cfg.max_iters": 9}'],
        dry_run=False,
    ),
]


def of_run(what, damage, *says):
    """Return a fault with one run's damaged folder: that run fails, and its line gives the reason."""

    def arrange(place):
        study = place.file("study.py", f'title = "T"\n{RUNS}\n')
        plan = make_plan(study, place.folder / "w")
        (run,) = plan.runs
        run.prepare()
        (place.folder / "w" / STUDY).write_text(json.dumps(plan.describe(), indent=1))
        damage(run.folder)
        shutil.rmtree(place.folder / "w" / "records", ignore_errors=True)
        return "sweep", study, "--work-dir", place.folder / "w", "--retry-failed"

    return Fault(
        f"{what}, in a run's folder",
        "G",
        arrange,
        1,
        ("lednet-default-streets-seed0 failed: ", *says),
        ("w/**",),
    )


def as_a_folder(folder):
    (folder / PLANNED).unlink()
    (folder / PLANNED).mkdir()


def as_a_file(folder):
    shutil.rmtree(folder)
    folder.write_text("a file")


RUN_FOLDERS = [
    of_run("a plan that is no text", lambda f: (f / PLANNED).write_bytes(b"\xff"), "w/", "not UTF-8 text"),
    of_run("an empty plan", lambda f: (f / PLANNED).write_bytes(b""), "w/", "changed by hand"),
    of_run(
        "a plan changed by hand",
        lambda f: (f / PLANNED).write_text((f / PLANNED).read_text().replace("max_iters", "iters")),
        "changed by hand",
        "train_cfg.",
    ),
    of_run(
        "a plan with code",
        lambda f: (f / PLANNED).write_text("import os\n" + (f / PLANNED).read_text()),
        "line 1 is not an assignment",
    ),
    of_run("a plan that is a folder", as_a_folder, "w/", "not a regular file"),
    of_run("a file where a run's folder should be", as_a_file, "w/", "a file stands where"),
]


FAULTS = [*STUDIES, *WORK_DIRS, *RUN_FOLDERS]
