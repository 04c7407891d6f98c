"""Tuning with the same budget for all: the trials, the choice on val, its record, and failures."""

import io
import json
import math
from dataclasses import replace

import pytest
from rich.console import Console

from lednet_mm.errors import InputError
from lednet_mm.literals import read_literals
from lednet_mm.records import new_record, read_records, write_record
from lednet_mm.reports.reading import read_evidence
from lednet_mm.studies.costs import cost_of
from lednet_mm.studies.jobs import Attempts, Outcome, Wanted
from lednet_mm.studies.local_engine import LocalEngine
from lednet_mm.studies.plan import STUDY, check_work_dir, make_plan
from lednet_mm.studies.progress import Board
from lednet_mm.studies.scheduler import run_jobs
from lednet_mm.studies.tuning import Range, Tune, follow_searches, suggest, tuning_results
from tests.studies.tiny import SLOTS, provenance

LR = "optim_wrapper.optimizer.lr"
GRID = [5e-4, 2e-3, 8e-3]
BEST = {"lednet": 2e-3, "erfnet": 8e-3}
RUNS = 'runs = [dict(networks=["lednet", "erfnet"], datasets=["camvid"], seeds=[0, 1])]'
TUNE = f'tune = dict(space={{"{LR}": {GRID}}}, seeds=[100], split="val")'


def with_options(options):
    return TUNE.replace("seeds=", f"options={options!r}, seeds=")


@pytest.fixture
def write(tmp_path):
    """Write a study: ``write(lines)``."""

    def write(*lines):
        path = tmp_path / "tuned.py"
        path.write_text("\n".join(['title = "Tuned"', *lines]))
        return path

    return write


def learning_rate(job):
    return read_literals(job.text)["optim_wrapper"]["optimizer"]["lr"]


def score(job):
    """Return the mIoU of a run, which is higher the closer its learning rate is to the network's best."""
    return 60 - 10 * abs(math.log(learning_rate(job) / BEST[job.run.network]))


class Trainer:
    """A stand-in for trainings, which writes their records and keeps the order in which they began."""

    def __init__(self, fails=lambda job: False):
        self.fails = fails
        self.begun = []

    def __call__(self, job, slot, known, stop):
        self.begun.append(job.name)
        job.prepare()
        job.begin()
        job.note_seconds(360.0)
        if self.fails(job):
            job.record_failure("the loss became nan", 1, [])
            return Outcome("failed", "the loss became nan")
        write_record(
            new_record("train", job.run, job.text, {"iterations": job.max_iters}, {}, provenance()),
            job.folder,
        )
        # On test, the worst setting is the best one, so a choice that looks there would be wrong.
        for split, miou in (("val", score(job)), ("test", 100 - score(job))):
            values = {"miou_percent": miou}
            record = new_record("accuracy", job.run, job.text, values, {"split": split}, provenance())
            write_record(record, job.folder)
        return Outcome("finished")


def sweep(plan, trainer, **more):
    decided = []
    follow = follow_searches(plan.searches, decided.append)
    outcomes = run_jobs(plan.first, LocalEngine(SLOTS, trainer), follow=follow, **more)
    return outcomes, decided


def test_each_network_trains_its_reported_runs_with_its_own_best_value(write, tmp_path):
    path = write(RUNS, TUNE)
    plan = make_plan(path, tmp_path / "w")
    assert [run.name for run in plan.trials][:2] == [
        "lednet-default-camvid-trial0-seed100",
        "lednet-default-camvid-trial1-seed100",
    ]
    assert (len(plan.trials), len(plan.runs), plan.decided) == (6, 4, ())
    assert {run.wanted for run in plan.trials} == {Wanted("val")}
    assert plan.describe()["configs"] == {}
    trainer = Trainer()
    outcomes, decided = sweep(plan, trainer)
    assert {outcome.state for outcome in outcomes.values()} == {"finished"}
    assert sorted(search.name for search in decided) == ["erfnet-default-camvid", "lednet-default-camvid"]
    assert len(trainer.begun) == 10
    for run in plan.runs:
        assert learning_rate(run) == BEST[run.run.network]
        assert trainer.begun.index(run.name) > max(
            trainer.begun.index(trial.name) for trial in plan.trials if trial.run.network == run.run.network
        )
    assert all("seed100" not in run.name for run in plan.runs)

    records, problems = read_records([tmp_path / "w"])
    assert not problems
    results = {result.record.run.network: result for result in tuning_results(records)}
    lednet = results["lednet"]
    assert lednet.chosen == {LR: 2e-3}
    assert lednet.miou_percent == pytest.approx(60)
    assert lednet.hours == pytest.approx(0.3)
    assert [tried.setting[LR] for tried in lednet.tried] == GRID
    assert [tried.miou_percent[0] for tried in lednet.tried] == pytest.approx(
        [60 - 10 * math.log(4), 60, 60 - 10 * math.log(4)]
    )
    assert results["erfnet"].chosen == {LR: 8e-3}
    assert {r.run.trial for r in records if r.run.seed == 100} == {"0", "1", "2"}
    assert {r.run.trial for r in records if r.run.seed in (0, 1)} == {None}
    (tmp_path / "w" / STUDY).write_text(json.dumps(plan.describe()))
    shown = read_evidence([tmp_path / "w"]).records
    assert {record.run.seed for record in shown if record.kind == "accuracy"} == {0, 1}, (
        "trials are no results"
    )
    assert len(tuning_results(shown)) == 2
    described = plan.describe()
    assert len(described["configs"]) == 4
    kept = {one["network"]: one for one in described["tuning"]}
    assert kept["erfnet"]["chosen"] == {LR: 8e-3}
    assert kept["erfnet"]["folders"][0] == "erfnet-default-camvid-trial0-seed100"
    assert (tmp_path / "w" / "tuning" / "records" / f"{kept['erfnet']['record']}.json").is_file()


def test_a_choice_stands_and_nothing_runs_twice(write, tmp_path):
    path = write(RUNS, TUNE)
    sweep(make_plan(path, tmp_path / "w"), Trainer(lambda job: job.name.endswith("trial0-seed100")))
    again = make_plan(path, tmp_path / "w")
    (tmp_path / "w" / STUDY).write_text(json.dumps(again.describe()))
    check_work_dir(again)
    assert {search.chosen.setting[LR] for search in again.searches} == {2e-3, 8e-3}
    assert [job.name for job in again.jobs] == [run.name for run in again.runs]
    trainer = Trainer()
    outcomes, _ = sweep(again, trainer, retry_failed=True)
    assert trainer.begun == [], "a trial that failed does not change a choice that was made"
    assert [outcome.state for outcome in outcomes.values()] == ["finished"] * 4
    more = write(RUNS.replace("[0, 1]", "[0, 1, 2]"), TUNE)
    outcomes, _ = sweep(make_plan(more, tmp_path / "w"), trainer)
    assert sorted(trainer.begun) == ["erfnet-default-camvid-seed2", "lednet-default-camvid-seed2"]


def test_a_sweep_cut_off_among_its_trials_goes_on_with_the_others(write, tmp_path):
    path = write(RUNS, TUNE)

    cut = Trainer()

    def notify(job, state, reason):
        if len(cut.begun) >= 4:
            raise KeyboardInterrupt

    plan = make_plan(path, tmp_path / "w")
    with pytest.raises(KeyboardInterrupt):
        sweep(plan, cut, notify=notify)
    assert 4 <= len(cut.begun) <= 6
    rest = Trainer()
    plan = make_plan(path, tmp_path / "w")
    outcomes, _ = sweep(plan, rest)
    assert not set(rest.begun) & set(cut.begun)
    assert len(rest.begun) + len(cut.begun) == 10
    assert {outcome.state for outcome in outcomes.values()} == {"finished"}
    assert {learning_rate(run) for run in plan.runs} == {2e-3, 8e-3}


def test_a_network_whose_trials_all_fail_is_shown_and_its_runs_are_not_started(write, tmp_path):
    path = write(RUNS, TUNE)
    plan = make_plan(path, tmp_path / "w")
    out = io.StringIO()
    trainer = Trainer(lambda job: job.run.network == "erfnet")
    with Board("A study", plan.jobs, Console(file=out, width=250)) as board:
        outcomes, _ = sweep(plan, trainer, notify=board.notify)
    assert outcomes["erfnet-default-camvid-seed0"] == Outcome(
        "blocked", "none of the 3 trials of its tuning has finished (the first: the loss became nan)"
    )
    assert outcomes["lednet-default-camvid-seed0"].state == "finished"
    assert not [name for name in trainer.begun if name.startswith("erfnet-default-camvid-seed")]
    assert "erfnet-default-camvid-seed1 blocked: none of the 3 trials" in out.getvalue()
    results = {r.record.run.network: r for r in tuning_results(read_records([tmp_path / "w"])[0])}
    assert (results["erfnet"].chosen, results["erfnet"].miou_percent) == (None, None)
    assert [tried.state for tried in results["erfnet"].tried] == ["failed"] * 3
    assert results["erfnet"].hours == pytest.approx(0.3)
    kept = {one["network"]: one for one in plan.describe()["tuning"]}
    assert kept["erfnet"]["chosen"] is None
    # It stays so until somebody asks; then the trials run again, and the choice is made.
    trainer = Trainer()
    outcomes, _ = sweep(make_plan(path, tmp_path / "w"), trainer)
    assert (trainer.begun, outcomes["erfnet-default-camvid-seed0"].state) == ([], "blocked")
    assert len([r for r in read_records([tmp_path / "w"])[0] if r.kind == "tuning"]) == 2
    plan = make_plan(path, tmp_path / "w")
    outcomes, _ = sweep(plan, trainer, retry_failed=True)
    assert {outcome.state for outcome in outcomes.values()} == {"finished"}
    assert {learning_rate(run) for run in plan.runs if run.run.network == "erfnet"} == {8e-3}


def test_a_retried_trial_is_waited_for_before_the_choice(write, tmp_path):
    path = write(RUNS, TUNE)
    best_fails = Trainer(lambda job: learning_rate(job) == BEST[job.run.network])
    plan = make_plan(path, tmp_path / "w")
    run_jobs(plan.trials, LocalEngine(SLOTS, best_fails))  # and the sweep ends before a choice is made
    plan = make_plan(path, tmp_path / "w")
    sweep(plan, Trainer(), retry_failed=True)
    assert {run.run.network: learning_rate(run) for run in plan.runs} == BEST


def test_a_setting_counts_by_its_mean_over_the_seeds_and_not_without_one_of_them(write, tmp_path):
    tune = TUNE.replace("[100]", "[100, 101]")
    plan = make_plan(write(RUNS, tune), tmp_path / "w")
    assert len(plan.trials) == 12
    sweep(plan, Trainer(lambda job: learning_rate(job) == 2e-3 and job.run.seed == 101))
    chosen = {search.run.network: search.chosen.setting[LR] for search in plan.searches}
    assert chosen == {"lednet": 5e-4, "erfnet": 8e-3}, "of two equal settings the first"


@pytest.mark.parametrize(
    ("runs", "tune", "words"),
    [
        (RUNS, TUNE.replace('"val"', '"test"'), "tune.split: .*settings are chosen on val alone"),
        (RUNS, TUNE.replace('"val"', '"train"'), "tune.split: "),
        (RUNS, TUNE.replace("100", "1"), "seed 1 is used for the tuning and for the runs"),
        (RUNS, TUNE.replace("[100]", "[]"), "tune.seeds: "),
        (RUNS, TUNE.replace("[100]", "[100, 100]"), "a seed is given twice"),
        (RUNS, TUNE.replace(LR, "model.backbone.shuffle"), "model.backbone.shuffle changes the network"),
        (RUNS, TUNE.replace(LR, "val_dataloader.dataset.split"), "affects how a trial is judged"),
        (RUNS, TUNE.replace(LR, "randomness.seed"), "identifies the run"),
        (
            RUNS,
            TUNE.replace(LR, "optim_wrapper.optimiser.lr"),
            "no optim_wrapper.optimiser, where",
        ),
        (RUNS, TUNE.replace(str(GRID), "[]"), "tune.space"),
        (RUNS, TUNE.replace(str(GRID), "dict(low=1e-4, high=1e-2, log=True)"), "needs a number of trials"),
        (RUNS, TUNE.replace(str(GRID), "dict(low=1.0, high=0.5)"), "low must be below high"),
        (RUNS, TUNE.replace(str(GRID), str(list(range(1, 102)))), "more than 100 settings"),
        (RUNS + f'\noptions = {{"{LR}": 1e-3}}', TUNE, "is in options and in tune.space"),
        (RUNS, with_options({LR: 1e-3}), f"{LR} is set by the options of tune and searched"),
        (RUNS, with_options({"val_dataloader.dataset.split": "test"}), "affects how a trial is judged"),
        (RUNS, with_options({"study": "other"}), "study identifies the run"),
        (RUNS, with_options({"model.backbone.shuffle": False}), "shuffle changes the network"),
        (RUNS, with_options({"train_cfg.max_iters.x": 1}), "an option of .* does not fit"),
        (
            RUNS + '\noptions = {"val_dataloader.dataset.split": "test"}',
            TUNE,
            "val_dataloader has the data of test, which must not be used to choose",
        ),
        (
            'runs = [dict(networks=["lednet"], datasets=["camvid"], seeds=[i]) for i in (0, 1)]',
            TUNE,
            "lednet-default-camvid is tuned twice",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(write, tmp_path, runs, tune, words):
    with pytest.raises(InputError, match=words) as raised:
        make_plan(write(runs, tune), tmp_path / "w")
    assert "\n" not in str(raised.value)


def test_trials_may_be_shorter_than_the_reported_runs(write, tmp_path):
    options = 'options = {"train_cfg.max_iters": 2000}'
    plan = make_plan(write(RUNS, with_options({"train_cfg.max_iters": 1000}), options), tmp_path / "w")
    assert {run.max_iters for run in plan.trials} == {1000}
    assert {read_literals(run.text)["train_cfg"]["max_iters"] for run in plan.trials} == {1000}
    sweep(plan, Trainer())
    assert {run.max_iters for run in plan.runs} == {2000}
    assert {run.run.network: learning_rate(run) for run in plan.runs} == BEST
    (tmp_path / "w" / STUDY).write_text(json.dumps(plan.describe()))
    assert plan.describe()["tune"]["options"] == {"train_cfg.max_iters": 1000}
    again = make_plan(write(RUNS, with_options({"train_cfg.max_iters": 1000}), options), tmp_path / "w")
    check_work_dir(again)
    assert all(search.chosen for search in again.searches)
    for other in (TUNE, with_options({"train_cfg.max_iters": 500})):
        with pytest.raises(InputError, match="its tune is "):
            check_work_dir(make_plan(write(RUNS, other, options), tmp_path / "w"))
    assert "options" not in make_plan(write(RUNS, TUNE), tmp_path / "v").describe()["tune"], (
        "earlier studies and records have no such key"
    )


def test_a_changed_budget_is_another_study(write, tmp_path):
    plan = make_plan(write(RUNS, TUNE), tmp_path / "w")
    sweep(plan, Trainer())
    (tmp_path / "w" / STUDY).write_text(json.dumps(plan.describe()))
    with pytest.raises(InputError, match="its tune is "):
        check_work_dir(make_plan(write(RUNS), tmp_path / "w"))
    with pytest.raises(InputError, match="its tune is "):
        check_work_dir(make_plan(write(RUNS, TUNE.replace("0.008", "0.004")), tmp_path / "w"))


SPACE = f'{{"{LR}": dict(low=1e-4, high=1e-1, log=True), "train_dataloader.batch_size": [2, 4]}}'


@pytest.mark.thorough
def test_a_larger_space_is_searched_with_as_many_trials_for_every_network(write, tmp_path):
    pytest.importorskip("optuna")
    path = write(RUNS, f"tune = dict(space={SPACE}, seeds=[100], trials=12)")
    plan = make_plan(path, tmp_path / "w")
    assert len(plan.trials) == 20, "the random ones"
    trainer = Trainer()
    sweep(plan, trainer)
    assert [len(search.trials) for search in plan.searches] == [12, 12]
    settings = [[trial.setting for trial in search.trials] for search in plan.searches]
    assert settings[0][:10] == settings[1][:10], "the same chance for all"
    assert settings[0][10:] != settings[1][10:], "what follows depends on what was seen"
    assert len({json.dumps(setting) for setting in settings[0]}) == 12
    for search in plan.searches:
        means = [trial.scores()[0] for trial in search.trials]
        assert search.chosen.number == means.index(max(means))
        assert max(means[10:]) > sorted(means[:10])[5]
    # When it continues, the search is the same, and nothing runs again.
    again = make_plan(path, tmp_path / "w")
    assert [s.chosen.setting for s in again.searches] == [s.chosen.setting for s in plan.searches]
    assert [[t.setting for t in s.trials] for s in again.searches] == settings
    trainer = Trainer()
    sweep(again, trainer)
    assert trainer.begun == []
    assert len([r for r in read_records([tmp_path / "w"])[0] if r.kind == "tuning"]) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda details: details.update(chosen_trial=3),
        lambda details: details.update(trials=details["trials"][:2]),
        lambda details: details["trials"][0]["setting"].update({LR: 0.5}),
        lambda details: details["tune"].update(seeds=[7]),
    ],
)
def test_a_choice_that_somebody_altered_is_made_anew(write, tmp_path, change):
    path = write(RUNS, TUNE)
    sweep(make_plan(path, tmp_path / "w"), Trainer())
    for record in (tmp_path / "w" / "tuning" / "records").iterdir():
        content = json.loads(record.read_text())
        change(content["details"])
        record.write_text(json.dumps(content))
    plan = make_plan(path, tmp_path / "w")
    assert [search.chosen for search in plan.searches] == [None, None]
    trainer = Trainer()
    sweep(plan, trainer)
    assert trainer.begun == []
    assert {run.run.network: learning_rate(run) for run in plan.runs} == BEST


def test_a_suggestion_follows_from_what_was_seen_alone(tmp_path):
    pytest.importorskip("optuna")
    tune = Tune(space={"a": Range(low=0.0, high=1.0), "b": [(1, 2), (3, 4)]}, seeds=(9,), trials=40)
    past = [({"a": i / 20, "b": (1, 2)}, 50 - abs(i - 14)) for i in range(20)]
    drawn = [suggest(tune, 20 + i, past) for i in range(12)]
    assert drawn == [suggest(tune, 20 + i, past) for i in range(12)]
    assert all(0 <= one["a"] <= 1 and one["b"] in [(1, 2), (3, 4)] for one in drawn)
    near = sum(abs(one["a"] - 0.7) < 0.25 for one in drawn)
    assert near >= 8, "most of them near the best"
    with_a_failure = [*past, ({"a": 0.1, "b": (3, 4)}, None)]
    assert 0 <= suggest(tune, 21, with_a_failure)["a"] <= 1


def test_without_optuna_there_is_one_clear_line(write, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(InputError, match=r"pip install -e '\.\[tune\]'"):
        make_plan(write(RUNS, f"tune = dict(space={SPACE}, seeds=[100], trials=12)"), tmp_path / "w")
    make_plan(write(RUNS, TUNE), tmp_path / "w")  # every setting is tried without it


def test_trials_begun_with_another_version_of_optuna_are_continued(write, tmp_path, monkeypatch):
    pytest.importorskip("optuna")
    path = write(RUNS, f"tune = dict(space={SPACE}, seeds=[100], trials=2)")
    before = make_plan(path, tmp_path / "w").trials
    for run in before:
        run.prepare()
    monkeypatch.setattr("lednet_mm.studies.tuning.suggest", lambda *_: pytest.fail("drawn again"))
    assert make_plan(path, tmp_path / "w").trials == before


def validated(folder, *points):
    path = folder / "20260101_000000" / "vis_data" / "scalars.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps({"mIoU": miou, "step": step}) for step, miou in points))


def test_a_hopeless_trial_is_one_below_the_median_in_its_second_half(write, tmp_path):
    path = write(RUNS, TUNE.replace("seeds=", "prune=True, seeds="), 'options = {"train_cfg.max_iters": 100}')
    plan = make_plan(path, tmp_path / "w")
    first, second, third = plan.searches[0].begin()
    assert set(third.rivals) == {first.folder, second.folder}
    assert make_plan(write(RUNS, TUNE), tmp_path / "v").searches[0].begin()[0].rivals == ()
    curves = {first: [[40, 20.0], [60, 40.0], [100, 50.0]], second: [[40, 30.0], [60, 30.0], [100, 60.0]]}
    validated(third.folder, (40, 1.0), (60, 2.0))
    assert third.hopeless() == "", "nobody else has finished"
    for number, (rival, curve) in enumerate(curves.items()):
        details = {"validation_curve_miou_percent": curve}
        record = new_record("train", rival.run, rival.text, {"iterations": 100}, details, provenance())
        write_record(record, rival.folder)
        if number == 0:
            assert third.hopeless() == "", "one rival is no median"
    assert "by iteration 60 is 2.00, below the median 35.00 of the 2 trials" in third.hopeless()
    validated(third.folder, (40, 1.0))
    assert third.hopeless() == "", "the first half may be slow"
    validated(third.folder, (40, 36.0), (60, 2.0))
    assert third.hopeless() == "", "its best counts"
    third.prepare()
    third.record_failure("pruned: too low", -15, [])
    assert (third.status().state, third.status().reason) == ("pruned", "too low")


def test_a_pruned_trial_stays_so_and_cannot_be_chosen(write, tmp_path):
    path = write(RUNS, TUNE.replace("seeds=", "prune=True, seeds="))

    def prune(job, *rest):
        if job.run.trial == "1":
            job.prepare()
            job.begin()
            job.record_failure("pruned: below the median", -15, [])
            return Outcome("pruned", "below the median")
        return trainer(job, *rest)

    trainer = Trainer()
    plan = make_plan(path, tmp_path / "w")
    outcomes, _ = sweep(plan, prune, retry_failed=True)
    assert outcomes["lednet-default-camvid-trial1-seed100"].state == "pruned"
    assert {run.run.network: learning_rate(run) for run in plan.runs} == {"lednet": 5e-4, "erfnet": 8e-3}
    results = {r.record.run.network: r for r in tuning_results(read_records([tmp_path / "w"])[0])}
    assert results["lednet"].record.values["pruned_trials"] == 1
    assert results["lednet"].tried[1].state == "pruned"


def test_the_cost_is_what_was_spent_and_what_the_known_speed_leaves(write, tmp_path):
    options = 'options = {"train_cfg.max_iters": 100}'
    plan = make_plan(write(RUNS, TUNE, options), tmp_path / "w")
    trainer = Trainer()
    for job in plan.trials[:2]:
        trainer(job, SLOTS[0], None, None)
    Attempts(begun=1, seconds=720.0).write(plan.trials[1].folder)
    everything = (*plan.trials, *plan.runs)
    trials = cost_of(plan.trials, everything)
    assert (trials.runs, trials.unknown) == (6, 3)
    assert trials.spent == pytest.approx(0.3)
    assert trials.left == pytest.approx(0.15)
    reported = cost_of(plan.runs, everything)
    assert (reported.spent, reported.unknown) == (0, 2)
    assert reported.left == pytest.approx(0.3)
    half_done = replace(plan.trials[2])
    half_done.prepare()
    half_done.note_seconds(270.0)
    assert cost_of([half_done], everything).left == pytest.approx(0.075)


def test_the_cost_says_whose_tests_it_does_not_know(write, tmp_path):
    """Trials are tested on val only; the cost of two corruptions is known after the first reported run."""
    pytest.importorskip("imagecorruptions")
    measure = 'measure = dict(corruptions=dict(names="fog", severities=[1, 2]))'
    plan = make_plan(write(RUNS, TUNE, 'options = {"train_cfg.max_iters": 100}', measure), tmp_path / "w")
    trainer = Trainer()
    trainer(plan.trials[0], SLOTS[0], None, None)
    lednet = [run for run in plan.runs if run.run.network == "lednet"]
    everything = (*plan.trials, *plan.runs)
    cost = cost_of(plan.runs, everything)
    assert (cost.unknown, cost.unknown_iterations, cost.untested) == (2, 200, 2)
    assert cost.left == pytest.approx(0.2)
    assert str(cost) == (
        "4 runs, 0.0 h spent, about 0.2 h left without the tests of 2 runs, whose time is not known yet "
        "and 2 runs of unknown speed (200 iterations)"
    )
    trainer(lednet[0], SLOTS[0], None, None)
    for severity in (1, 2):
        named = {"split": "test", "corruption": "fog", "severity": severity, "library": "x 1"}
        job = lednet[0]
        record = new_record("corruption", job.run, job.text, {"miou_percent": 1.0}, named, provenance())
        write_record(record, job.folder)
    Attempts(begun=1, seconds=720.0).write(lednet[0].folder)
    cost = cost_of(lednet, everything)
    assert (cost.left, cost.untested) == (pytest.approx(0.2), 0)


@pytest.mark.thorough
def test_the_plan_of_a_tuned_study_is_printed_with_its_cost(write, tmp_path, tool):
    path = write(RUNS, TUNE)
    outcome = tool("sweep", path, "--dry-run", "--work-dir", tmp_path / "w")
    assert outcome.status == 0, outcome.err
    assert "lednet-default-camvid-trial2-seed100" in outcome.out
    assert "after its tuning" in outcome.out
    assert "tuning of erfnet-default-camvid: 3 runs, 0.0 h spent" in outcome.out
    assert "reported: 4 runs, 0.0 h spent, about 0.0 h left and 4 runs of unknown speed" in outcome.out
    assert "tests of each run" not in outcome.out
    assert not (tmp_path / "w").exists()
    sweep(make_plan(path, tmp_path / "w"), Trainer())
    outcome = tool("sweep", path, "--dry-run", "--work-dir", tmp_path / "w")
    spent = "tuning of erfnet-default-camvid: 3 runs, 0.3 h spent, about 0.0 h left; chosen: "
    assert f"{spent}{{'{LR}': 0.008}}" in outcome.out
    assert "note:" not in outcome.out
    on_val = write(RUNS, TUNE, 'measure = dict(accuracy="val")')
    outcome = tool("sweep", on_val, "--dry-run", "--work-dir", tmp_path / "v")
    assert "note: settings are chosen on val, which the study also reports" in outcome.out
