"""The ablation table and the failed runs, compared with the statistics, and with the expected results."""

import numpy as np
import pytest
from scipy import stats

from lednet_mm.records import write_record
from lednet_mm.reports.content import Content
from lednet_mm.reports.reading import read_evidence
from lednet_mm.reports.sections.ablation import Ablation
from lednet_mm.reports.sections.failures import Failures, collect_failures
from lednet_mm.statistics import (
    choose_blocks,
    paired_interval,
    resampled_scores,
    single_images,
    spread_over_seeds,
)
from lednet_mm.studies.baseline import Baseline
from tests.reports.made import accuracy, complexity, failure, latency, matrices, train, write_study


def section_of(folder, *baselines):
    return Ablation(Content(read_evidence([folder]), "Title", baselines))


def table_of(folder, *baselines):
    return section_of(folder, *baselines).frame


def markdown_of(folder):
    return section_of(folder).files()["ablation.md"].decode()


def write_runs(folder, *records):
    for number, record in enumerate(records):
        write_record(record, folder / f"run{number}")


def test_the_interval_is_that_of_the_statistics(tmp_path):
    quality = {"default": 0.8, "no_apn": 0.7}
    records = [accuracy(variant=v, seed=s, quality=q) for v, q in quality.items() for s in (0, 1, 2)]
    # A seed without its baseline is no pair.
    write_runs(tmp_path, *records, accuracy(variant="no_apn", seed=7))
    (row,) = table_of(tmp_path).to_dict("records")
    stacks = {v: np.stack([matrices(q, s) for s in (0, 1, 2)]) for v, q in quality.items()}
    frames = single_images(20)
    found = {v: [resampled_scores(run, frames)["miou_percent"] for run in runs] for v, runs in stacks.items()}
    pairs = list(zip(found["no_apn"], found["default"], strict=True))
    by_seed = np.array([ours[0] - theirs[0] for ours, theirs in pairs])
    draws = np.stack([ours[1] - theirs[1] for ours, theirs in pairs], axis=1)
    expected = paired_interval(spread_over_seeds(by_seed, draws, choose_blocks(frames)))
    assert row["seeds"] == 3
    assert row["difference_points"] == pytest.approx(expected.difference)
    assert (row["low_points"], row["high_points"]) == pytest.approx((expected.low, expected.high))
    assert row["verdict"] == "worse"


def test_what_is_compared_with_one_baseline_is_judged_together(tmp_path):
    """A difference that is resolved by its own interval may be unresolved among many."""
    weak = {f"weak{i}": 0.8 for i in range(6)}
    quality = {"default": 0.8, "strong": 0.5, "slight": 0.78, **weak}
    write_runs(
        tmp_path, *(accuracy(variant=v, seed=s, quality=q) for v, q in quality.items() for s in range(4))
    )
    rows = {row["variant"]: row for row in table_of(tmp_path).to_dict("records")}
    assert (rows["strong"]["verdict"], rows["strong"]["verdict_holm"]) == ("worse", "worse")
    assert (rows["slight"]["verdict"], rows["slight"]["verdict_holm"]) == ("worse", "not resolved")
    text = markdown_of(tmp_path)
    assert "| result among all |" in text
    assert "2 of 8 differences are resolved by themselves" in text
    assert "chance alone would resolve 0.4 of them" in text
    assert "(images: single images, as nothing is known of sequences)" in text


def test_the_note_says_how_the_interval_is_made(tmp_path):
    write_runs(tmp_path, *(accuracy(variant=v, seed=s) for v in ("default", "no_apn") for s in (0, 1, 2)))
    note = next(iter(section_of(tmp_path).notes()))
    # Student's t with 2 degrees of freedom over the normal quantile, times the root of 3 / 2.
    factor = stats.t.ppf(0.975, 2) / stats.norm.ppf(0.975) * np.sqrt(3 / 2)
    assert f"those of the seeds {factor:.2f} times with 3 seeds" in note
    assert "each of 2,000 resamples draws seeds and images with replacement" in note


def test_a_difference_whose_interval_contains_zero_is_not_resolved(tmp_path):
    write_runs(tmp_path, *(accuracy(variant=v, seed=s) for v in ("default", "no_shuffle") for s in (0, 1)))
    # The same quality: the same matrices, so the difference is exactly zero.
    (row,) = table_of(tmp_path).to_dict("records")
    assert (row["difference_points"], row["verdict"]) == (0, "not resolved")


def test_runs_are_compared_with_each_of_several_baselines(tmp_path):
    quality = {("lednet", "default"): 0.8, ("lednet", "no_apn"): 0.7, ("erfnet", "default"): 0.6}
    more = {("erfnet", "no_dropout"): 0.5}
    runs = {**quality, **more}.items()
    write_runs(tmp_path, *(accuracy(network=n, variant=v, quality=q, study="parts") for (n, v), q in runs))
    both = [{"network": None, "variant": "default"}, {"network": "lednet", "variant": "default"}]
    write_study(tmp_path, baseline=both)
    frame = table_of(tmp_path)
    assert frame[["network", "variant", "baseline"]].to_numpy().tolist() == [
        ["erfnet", "default", "lednet"],
        ["erfnet", "no_dropout", "erfnet"],
        ["erfnet", "no_dropout", "lednet"],
        ["lednet", "no_apn", "lednet"],
    ]
    (plot,) = section_of(tmp_path).plots()
    names = [tick.get_text() for tick in plot.figure.axes[0].get_yticklabels()]
    assert "erfnet, no dropout, against lednet (1 seed)" in names
    assert "lednet, no apn (1 seed)" in names


def test_one_seed_says_so(tmp_path):
    write_runs(tmp_path, accuracy(quality=0.9), accuracy(variant="no_apn", quality=0.5))
    frame = table_of(tmp_path)
    assert frame["verdict"].tolist() == ["worse (one seed)"]
    assert "resamples images only" in markdown_of(tmp_path)


def test_cost_changes_stand_beside(tmp_path):
    cost = [complexity(params=1_000_000), complexity(variant="no_apn", params=900_000)]
    speed = [latency(fps=10), latency(variant="no_apn", fps=20)]
    write_runs(tmp_path, accuracy(), accuracy(variant="no_apn"), *cost, *speed)
    (row,) = table_of(tmp_path).to_dict("records")
    assert row["params_change_percent"] == pytest.approx(-10)
    assert row["macs_change_percent"] == pytest.approx(-10)
    assert row["latency_change_percent"] == pytest.approx(-50, abs=0.5)


def test_expectations_stand_beside_results_and_what_is_missing_has_a_row(tmp_path):
    write_study(tmp_path, variants=("default", "no_apn", "no_bn"))
    records = [accuracy(variant=v, seed=s, study="parts") for v in ("default", "no_apn") for s in (0, 1)]
    write_runs(tmp_path, *records, failure(study="parts"))
    rows = {row["variant"]: row for row in table_of(tmp_path).to_dict("records")}
    assert rows["no_apn"]["expectation"] == "1 to 3 points worse"
    assert rows["no_bn"]["verdict"] == "no result"
    text = markdown_of(tmp_path)
    assert "| expected " in text
    assert "1 to 3 points worse" in text


def test_the_baseline_can_be_chosen(tmp_path):
    write_runs(tmp_path, accuracy(), accuracy("erfnet"), accuracy(variant="no_apn"))
    assert table_of(tmp_path)["network"].tolist() == ["lednet"]
    rows = table_of(tmp_path, Baseline.parse("erfnet"))
    assert rows["baseline"].tolist() == ["erfnet", "erfnet"]
    rows = table_of(tmp_path, Baseline.parse("lednet:no_apn"))
    assert rows["variant"].tolist() == ["default", "default"]
    assert Baseline.parse("lednet:no_apn") == Baseline(network="lednet", variant="no_apn")


def test_another_recipe_is_said(tmp_path):
    write_runs(
        tmp_path, accuracy(), accuracy(variant="long", text=accuracy().config.text.replace("100", "200"))
    )
    assert "another recipe" in markdown_of(tmp_path)


def test_failures_stand_until_a_newer_record(tmp_path):
    records = [failure(seed=0, minute=5), failure(seed=1, minute=5), train(variant="no_bn", seed=1, minute=6)]
    frame = collect_failures(records, {})
    assert frame[["seed", "state"]].to_numpy().tolist() == [[0, "failed"]]
    write_runs(tmp_path, *records)
    text = Failures(Content(read_evidence([tmp_path]))).files()["failures.md"].decode()
    assert "the loss became nan at iteration 7" in text
    assert "```text\niter 6\nfailed: nan\n```" in text


def test_planned_runs_without_accuracy_are_unfinished(tmp_path):
    write_study(tmp_path)
    done = [(v, s) for v in ("default", "no_apn") for s in (0, 1)][:3]
    write_runs(tmp_path, *(accuracy(variant=v, seed=s, study="parts") for v, s in done))
    evidence = read_evidence([tmp_path])
    frame = collect_failures(evidence.records, evidence.studies)
    assert frame[["variant", "seed", "state"]].to_numpy().tolist() == [["no_apn", 1, "unfinished"]]
