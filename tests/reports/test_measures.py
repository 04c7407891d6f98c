"""The report's tables of calibration, boundaries, object sizes and corrupted images."""

import numpy as np
import pytest

from lednet_mm.evaluation.calibration import calibration_counts, calibration_scores
from lednet_mm.evaluation.confusion import pack
from lednet_mm.records import Run, new_record, write_record
from lednet_mm.reports.content import Content
from lednet_mm.reports.reading import read_evidence
from lednet_mm.reports.report import write_report
from lednet_mm.reports.sections.measure_differences import (
    DifferencesOfMeasures,
    DifferencesWithCorruptions,
)
from lednet_mm.reports.sections.measures import Measures
from lednet_mm.reports.sections.results import Results
from lednet_mm.reports.sections.robustness import Robustness
from lednet_mm.reports.tables import rows_of
from lednet_mm.statistics import class_iou, draw_images, single_images
from lednet_mm.studies.baseline import Baseline
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
    """Write LEDNet with two seeds, one of them tested again without calibration, and ERFNet without any."""
    for seed in (0, 1):
        counts, values = calibrated(seed)
        boundary = {"boundary_iou_percent": 30.0 + seed}
        found = {"per_image_calibration": pack(counts)}
        write(tmp_path, seed=seed, values={**values, **boundary}, **found)
    write(tmp_path, seed=0, minute=9)
    write(tmp_path, network="erfnet")
    return tmp_path


def test_measures_are_averaged_over_seeds(folder):
    section = Measures(Content(read_evidence([folder])))
    (row,) = rows_of(section.frame)
    expected = [calibrated(seed)[1]["ece_percent"] for seed in (0, 1)]
    assert (row["network"], row["seeds"]) == ("lednet", 2)
    assert row["ece_percent"] == pytest.approx(np.mean(expected))
    assert row["_ece_percent_std"] == pytest.approx(np.std(expected, ddof=1))
    assert row["boundary_iou_percent"] == 30.5
    assert row["iou_small_percent"] is None or np.isnan(row["iou_small_percent"])
    table = section.files()["measures.md"].decode()
    assert "30.50 ± 0.71" in table
    assert "small objects (%)" not in table


def test_the_reliability_plot_shows_the_counts_of_all_seeds(folder):
    counts = sum(calibrated(seed)[0].sum(0) for seed in (0, 1))
    (plot,) = Measures(Content(read_evidence([folder]))).plots()
    diagonal, line = plot.figure.axes[0].lines
    assert diagonal.get_xdata()[-1] == 100
    assert line.get_xdata() == pytest.approx(100 * counts[1] / counts[0])
    assert line.get_ydata() == pytest.approx(100 * counts[2] / counts[0])


def test_a_value_of_other_weights_is_not_shown(tmp_path):
    write(tmp_path, values={"ece_percent": 3.0}, sha="old")
    write(tmp_path, minute=5, sha="new")
    assert Measures(Content(read_evidence([tmp_path]))).frame.empty


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
    section = Robustness(Content(read_evidence([tmp_path])))
    (row,) = rows_of(section.frame)
    assert row["corruptions"] == "2, severity 1, 3"
    assert row["corrupted_percent"] == pytest.approx((20 + 22) / 2)
    assert row["retention_percent"] == pytest.approx((40 + 44) / 2)
    assert (row["fog"], row["snow"]) == pytest.approx((31, 11))
    assert np.isnan(row["frost"])
    assert len(row["_records"]) == 10
    (plot,) = section.plots()
    shown = [text.get_text() for text in plot.figure.axes[0].texts]
    assert shown == ["50", "31", "11"] or shown == ["50", "11", "31"]


def test_other_corruptions_are_other_rows(tmp_path):
    for network, severities in (("lednet", (1, 2)), ("erfnet", (1,))):
        write(tmp_path, network=network)
        for severity in severities:
            write(tmp_path, "corruption", network, corruption="fog", severity=severity)
    section = Robustness(Content(read_evidence([tmp_path])))
    table = section.table
    assert sorted(table.frame["corruptions"]) == ["1, severity 1", "1, severity 1, 2"]
    assert any("same corruptions" in note for note in table.notes)
    assert [plot.name for plot in section.plots()] == ["robustness_1", "robustness_2"]


@pytest.mark.thorough
def test_a_report_has_files_and_page_of_both(folder):
    write(folder, "corruption", seed=0, corruption="fog", severity=1)
    report = write_report([folder], folder / "report")
    names = {path.name for path in report.files}
    assert {"measures.md", "robustness.csv", "reliability.png", "robustness.svg"} <= names
    page = (folder / "report/index.html").read_text()
    assert "Corrupted images" in page
    assert "boundary IoU" in page


def test_corrupted_accuracies_are_no_results_on_the_clean_split(folder):
    before = Results(Content(read_evidence([folder]))).files()
    write(folder, "corruption", seed=0, minute=30, values={"miou_percent": 1.0}, corruption="fog", severity=1)
    assert Results(Content(read_evidence([folder]))).files() == before


def compared(folder, kind=DifferencesOfMeasures):
    section = kind(Content(read_evidence([folder]), baselines=[Baseline(network="erfnet")]))
    (row,) = rows_of(section.frame)
    return section, row


def percentiles(draws):
    return np.quantile(draws, [0.025, 0.975])


def test_calibration_and_boundaries_are_compared_with_intervals_over_the_images(tmp_path):
    """One seed and single images: the ends are percentiles, stretched for 30 draws by Student's t."""
    random = np.random.default_rng(0)
    counts = {}
    for network, sure in (("lednet", 0.9), ("erfnet", 0.6)):
        confidence = random.random((30, 200))
        calibration = np.stack([calibration_counts(c, random.random(200) < sure * c) for c in confidence])
        either = random.integers(50, 90, (30, 3))
        boundary = np.stack([(either * random.uniform(0.3, sure, (30, 3))).astype(int), either], axis=1)
        counts[network] = calibration, boundary
        iou = 100 * np.mean(boundary.sum(0)[0] / boundary.sum(0)[1])
        write(
            tmp_path,
            network=network,
            values={
                "miou_percent": 100.0,
                **calibration_scores(calibration.sum(0)),
                "boundary_iou_percent": iou,
            },
            per_image_names=[f"{i}.png" for i in range(30)],
            per_image_confusion=pack(np.tile(np.diag([3, 2, 1]), (30, 1, 1))),
            per_image_calibration=pack(calibration),
            per_image_boundary=pack(boundary),
        )
    section, row = compared(tmp_path)
    weights = draw_images(single_images(30), 2000, 0).weights

    def calibration_error(some):
        return calibration_scores(some)["ece_percent"]

    def boundary_iou(some):
        return 100 * np.mean(some[0] / some[1])

    for place, name, score in (
        (0, "ece_percent", calibration_error),
        (1, "boundary_iou_percent", boundary_iou),
    ):
        ours, theirs = counts["lednet"][place], counts["erfnet"][place]
        assert row[f"{name}_difference"] == pytest.approx(score(ours.sum(0)) - score(theirs.sum(0)))
        draws = np.array(
            [
                score(np.tensordot(drawn, ours, 1)) - score(np.tensordot(drawn, theirs, 1))
                for drawn in weights.T.astype(float)
            ]
        )
        low, high = percentiles(draws)
        # sqrt(30 / 29) * t(29 degrees) / 1.96
        stretch, center = 1.0613, row[f"{name}_difference"]
        assert row[f"{name}_low"] == pytest.approx(center + stretch * (low - center), abs=1e-3)
        assert row[f"{name}_high"] == pytest.approx(center + stretch * (high - center), abs=1e-3)
    assert np.isnan(row["retention_percent_difference"])
    assert "single images" in section.files()["measure_differences.md"].decode()


def test_robustness_is_compared_where_the_corruptions_are_the_same(tmp_path):
    for network, rate in (("lednet", 0.5), ("erfnet", 0.25)):
        clean = np.tile(np.array([[80, 20], [20, 80]]), (12, 1, 1))
        write_images(tmp_path, "accuracy", network, clean)
        for name, severity in (("fog", 1), ("fog", 2), ("snow", 1)):
            wrong = int(100 * rate * severity)
            corrupted = np.tile(np.array([[100 - wrong, wrong], [wrong, 100 - wrong]]), (12, 1, 1))
            details = {"corruption": name, "severity": severity}
            write_images(tmp_path, "corruption", network, corrupted, **details)

    def miou(wrong):
        return (100 - wrong) / (100 + wrong)

    kept = {
        network: 100 * np.mean([(miou(100 * rate) + miou(200 * rate)) / 2, miou(100 * rate)]) / miou(20)
        for network, rate in (("lednet", 0.5), ("erfnet", 0.25))
    }
    _, row = compared(tmp_path)
    difference = kept["lednet"] - kept["erfnet"]
    assert row["retention_percent_difference"] == pytest.approx(difference)
    # All images are alike.
    assert (row["retention_percent_low"], row["retention_percent_high"]) == pytest.approx(
        (difference, difference)
    )

    _, row = compared(tmp_path, DifferencesWithCorruptions)
    fog = 50 * (miou(50) + miou(100) - miou(25) - miou(50))
    snow = 100 * (miou(50) - miou(25))
    for name, expected in (("fog", fog), ("snow", snow), ("corrupted_percent", (fog + snow) / 2)):
        assert row[f"{name}_difference"] == pytest.approx(expected)
        assert (row[f"{name}_low"], row[f"{name}_high"]) == pytest.approx((expected, expected))
    assert np.isnan(row["frost_difference"])
    assert row["corruptions"] == "2, several severities"

    write_images(tmp_path, "corruption", "erfnet", clean, corruption="frost", severity=1)
    content = Content(read_evidence([tmp_path]), baselines=[Baseline(network="erfnet")])
    assert DifferencesOfMeasures(content).frame.empty
    _, row = compared(tmp_path, DifferencesWithCorruptions)
    assert row["snow_difference"] == pytest.approx(snow), "each corruption counts by itself"
    assert np.isnan(row["corrupted_percent_difference"])


def write_images(folder, kind, network, matrices, **details):
    values = {"miou_percent": 100 * float(class_iou(matrices.sum(0)).mean())}
    names = [f"{i}.png" for i in range(len(matrices))]
    packed = pack(matrices)
    write(folder, kind, network, values=values, per_image_names=names, per_image_confusion=packed, **details)
