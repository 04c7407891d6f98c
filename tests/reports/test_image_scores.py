"""Scores by image, and the number of seeds that a study needs, computed from records."""

import numpy as np
import pandas as pd
import pytest

from lednet_mm.errors import InputError
from lednet_mm.records import write_record
from lednet_mm.reports.content import Content
from lednet_mm.reports.power import estimate_power, plan_seeds
from lednet_mm.reports.reading import read_evidence
from lednet_mm.reports.sections.image_scores import ImageScoreDifferences, ImageScores
from lednet_mm.reports.tables import to_markdown
from lednet_mm.statistics import SCORES, score_images
from tests.reports.made import accuracy, matrices

QUALITY = {"default": 0.8, "no_apn": 0.7, "no_bn": 0.5}


@pytest.fixture
def study(tmp_path):
    """Write three variants with three seeds each, and one whose records have no matrices."""
    for variant, quality in QUALITY.items():
        for seed in range(3):
            write_record(accuracy(variant=variant, seed=seed, quality=quality), tmp_path / "run")
    bare = accuracy(variant="bare", quality=0.9)
    kept = {key: value for key, value in bare.details.items() if key != "per_image_confusion"}
    write_record(bare.model_copy(update={"details": kept}), tmp_path / "run")
    return tmp_path


@pytest.fixture
def content(study):
    return Content(read_evidence([study]), "Title")


def test_scores_are_means_over_seeds_of_what_the_matrices_give(content):
    section = ImageScores(content)
    frame = section.frame
    rows = {row["variant"]: row for row in frame.to_dict("records")}
    assert rows.keys() == QUALITY.keys()  # nothing is known of the images of the other
    for variant, quality in QUALITY.items():
        values = [score_images(matrices(quality, seed)) for seed in range(3)]
        for score in SCORES[1:]:
            found = [value[score] for value in values]
            assert rows[variant][score] == pytest.approx(np.mean(found))
            assert rows[variant][f"{score}_std"] == pytest.approx(np.std(found, ddof=1))
    assert [rows[variant]["rank"] for variant in QUALITY] == [1, 2, 3]
    assert rows["default"]["first_percent"] > 95
    text = section.files()["image_scores.md"].decode()
    assert "| worst 5% (%) |" in text
    assert "1 (1 to 1)" in text


def test_networks_of_other_images_have_no_rank(tmp_path):
    for variant in QUALITY:
        names = [f"{variant}{i}.png" for i in range(20)]
        write_record(accuracy(variant=variant, names=names), tmp_path / "run")
    frame = ImageScores(Content(read_evidence([tmp_path]))).frame
    assert len(frame) == 3
    assert frame["rank"].isna().all()


def test_every_score_is_compared_on_the_same_pairs(content):
    section = ImageScoreDifferences(content)
    ablation, frame = content.against_baselines, section.frame
    assert frame["variant"].tolist() == ["no_apn", "no_bn"]
    own = ablation.dropna(subset=["difference_points"])
    for end, column in (("difference", "difference_points"), ("low", "low_points"), ("high", "high_points")):
        np.testing.assert_allclose(frame[f"miou_percent_{end}"], own[column].astype(float))
    means = {
        variant: np.mean([score_images(matrices(quality, s))["miou_c_percent"] for s in range(3)])
        for variant, quality in QUALITY.items()
    }
    expected = [means[variant] - means["default"] for variant in ("no_apn", "no_bn")]
    np.testing.assert_allclose(frame["miou_c_percent_difference"], expected)
    assert (frame["miou_c_percent_low"] < frame["miou_c_percent_difference"]).all()
    assert "mIoU-C (points)" in section.files()["image_score_differences.md"].decode()


def test_the_power_of_a_study(study, content):
    ablation, differences = content.against_baselines, content.differences
    frame = estimate_power(ablation, differences, 50.0)
    assert frame["seeds_needed"].tolist() == [2, 2]
    np.testing.assert_allclose(
        frame["half_width_points"], (frame_width(ablation) / 2).astype(float), rtol=0.3
    )
    narrow = estimate_power(ablation, differences, 1e-6)
    assert narrow["seeds_needed"].isna().all()
    assert set(narrow["why"]) <= {"the images allow no less", "more than 1000"}
    text = to_markdown(plan_seeds([study], 50.0))
    assert "| seeds for ± 50 |" in text
    for wrong in (0, -1.0, 101, float("nan")):
        with pytest.raises(InputError, match="give a number above 0"):
            plan_seeds([study], wrong)


def frame_width(ablation: pd.DataFrame) -> pd.Series:
    rows = ablation.dropna(subset=["difference_points"])
    return rows["high_points"] - rows["low_points"]


def test_one_seed_tells_nothing_of_others(tmp_path):
    for variant in ("default", "no_apn"):
        write_record(accuracy(variant=variant, quality=QUALITY[variant]), tmp_path / "run")
    (row,) = plan_seeds([tmp_path], 50.0).rows
    assert row["why"] == "one seed says nothing of others"
    assert pd.isna(row["seeds_needed"])
