"""What a report shows of calibration, boundaries, object sizes and corrupted images."""

import numpy as np
import pytest

from lednet_mm.evaluation.calibration import calibration_counts, calibration_scores
from lednet_mm.evaluation.confusion import pack
from lednet_mm.records import Run, new_record, write_record
from lednet_mm.reports.measures import collect_measures, plot_reliability
from lednet_mm.reports.reading import read_evidence
from lednet_mm.reports.report import make_content, make_plots, write_report
from lednet_mm.reports.robustness import collect_robustness, plot_robustness
from lednet_mm.reports.tables import rows_of, to_markdown
from tests.reports import made


def write(folder, kind="accuracy", network="lednet", seed=0, minute=0, sha="abc", values=None, **details):
    """Write an accuracy, clean or corrupted."""
    record = new_record(
        kind,
        Run(network=network, dataset="camvid", seed=seed),
        made.CONFIG,
        {"miou_percent": 50.0, **(values or {})},
        {"split": "test", **details},
        made.at(minute, checkpoint_sha256=sha),
    )
    write_record(record, folder / f"{network}_{seed}")
    return record


def calibrated(seed):
    random = np.random.default_rng(seed)
    confidence = random.random((2, 500))
    counts = np.stack([calibration_counts(c, random.random(500) < c) for c in confidence])
    return counts, calibration_scores(counts.sum(0))


@pytest.fixture
def folder(tmp_path):
    """LEDNet with two seeds, one of which was tested again without calibration; ERFNet without any."""
    for seed in (0, 1):
        counts, values = calibrated(seed)
        boundary = {"boundary_iou_percent": 30.0 + seed}
        found = {"per_image_calibration": pack(counts)}
        write(tmp_path, seed=seed, values={**values, **boundary}, **found)
    write(tmp_path, seed=0, minute=9)
    write(tmp_path, network="erfnet")
    return tmp_path


def test_measures_are_averaged_over_seeds(folder):
    frame = collect_measures(read_evidence([folder]))
    (row,) = rows_of(frame)
    expected = [calibrated(seed)[1]["ece_percent"] for seed in (0, 1)]
    assert (row["network"], row["seeds"]) == ("lednet", 2)
    assert row["ece_percent"] == pytest.approx(np.mean(expected))
    assert row["_ece_percent_std"] == pytest.approx(np.std(expected, ddof=1))
    assert row["boundary_iou_percent"] == 30.5
    assert row["iou_small_percent"] is None or np.isnan(row["iou_small_percent"])
    table = to_markdown(make_content(read_evidence([folder])).tables["measures"])
    assert "30.50 ± 0.71" in table
    assert "small objects (%)" not in table


def test_the_reliability_plot_shows_the_counts_of_all_seeds(folder):
    counts = sum(calibrated(seed)[0].sum(0) for seed in (0, 1))
    (plot,) = plot_reliability(collect_measures(read_evidence([folder])), "title")
    diagonal, line = plot.figure.axes[0].lines
    assert diagonal.get_xdata()[-1] == 100
    assert line.get_xdata() == pytest.approx(100 * counts[1] / counts[0])
    assert line.get_ydata() == pytest.approx(100 * counts[2] / counts[0])


def test_a_value_of_other_weights_is_not_shown(tmp_path):
    write(tmp_path, values={"ece_percent": 3.0}, sha="old")
    write(tmp_path, minute=5, sha="new")
    assert collect_measures(read_evidence([tmp_path])).empty


def test_robustness_averages_severities_then_corruptions_then_seeds(tmp_path):
    for seed in (0, 1):
        write(tmp_path, seed=seed, values={"miou_percent": 50.0})
        for name, severity, miou in (
            ("fog", 1, 40.0),
            ("fog", 3, 20.0),
            ("snow", 1, 10.0),
            ("snow", 3, 10.0),
        ):
            values = {"miou_percent": miou + 2 * seed}
            write(tmp_path, "corruption", seed=seed, values=values, corruption=name, severity=severity)
    other = {"values": {"miou_percent": 1.0}, "sha": "other"}
    write(tmp_path, "corruption", corruption="frost", severity=1, **other)
    records = read_evidence([tmp_path]).records
    (row,) = rows_of(collect_robustness(records))
    assert row["corruptions"] == "2, severity 1, 3"
    assert row["corrupted_percent"] == pytest.approx((20 + 22) / 2)
    assert row["retention_percent"] == pytest.approx((40 + 44) / 2)
    assert (row["fog"], row["snow"]) == pytest.approx((31, 11))
    assert np.isnan(row["frost"])
    assert len(row["_records"]) == 10
    (plot,) = plot_robustness(collect_robustness(records), "title")
    shown = [text.get_text() for text in plot.figure.axes[0].texts]
    assert shown == ["50", "31", "11"] or shown == ["50", "11", "31"]


def test_other_corruptions_are_other_rows(tmp_path):
    for network, severities in (("lednet", (1, 2)), ("erfnet", (1,))):
        write(tmp_path, network=network)
        for severity in severities:
            write(tmp_path, "corruption", network, corruption="fog", severity=severity)
    content = make_content(read_evidence([tmp_path]))
    table = content.tables["robustness"]
    assert sorted(table.frame["corruptions"]) == ["1, severity 1", "1, severity 1, 2"]
    assert any("same corruptions" in note for note in table.notes)
    assert len([plot for plot in make_plots(content) if plot.name.startswith("robustness")]) == 2


def test_a_report_has_files_and_page_of_both(folder):
    write(folder, "corruption", seed=0, corruption="fog", severity=1)
    report = write_report([folder], folder / "report")
    names = {path.name for path in report.files}
    assert {"measures.md", "robustness.csv", "reliability.png", "robustness.svg"} <= names
    page = (folder / "report/index.html").read_text()
    assert "Corrupted images" in page
    assert "boundary IoU" in page


def test_corrupted_accuracies_are_no_results_on_the_clean_split(folder):
    before = make_content(read_evidence([folder]))
    write(folder, "corruption", seed=0, minute=30, values={"miou_percent": 1.0}, corruption="fog", severity=1)
    after = make_content(read_evidence([folder]))
    for name in ("summary", "comparison"):
        assert to_markdown(after.tables[name]) == to_markdown(before.tables[name])
