"""The statistics against scipy, against cases worked out by hand, and by simulation."""

import numpy as np
import pytest
from scipy import stats

from lednet_mm.evaluation.confusion import mean_iou
from lednet_mm.studies.statistics import (
    Interval,
    average_ranks,
    mean,
    miou_difference,
    paired_difference,
    resample_weights,
    sample_std,
    seed_widening,
)


def test_mean_and_spread_over_seeds():
    values = np.array([[70.0, 72.0, 74.0], [50.0, 50.0, 50.0]])
    np.testing.assert_allclose(mean(values), [72, 50])
    np.testing.assert_allclose(sample_std(values), [2, 0])
    assert np.isnan(sample_std(np.array([70.0])))


def test_differences_are_taken_on_common_seeds():
    assert paired_difference({2: 5.0, 0: 3.0, 7: 1.0}, {0: 1.0, 2: 1.5, 1: 9.0}) == {0: 2.0, 2: 3.5}


def test_an_interval_is_resolved_when_it_leaves_zero_out():
    assert Interval(1.0, 0.1, 2.0).resolved
    assert Interval(-1.0, -2.0, -0.1).resolved
    assert not Interval(1.0, -0.1, 2.0).resolved
    assert not Interval(0.0, 0.0, 0.0).resolved


def test_weights_are_draws_with_replacement():
    weights = resample_weights(5000, 4, 0)
    assert (weights.sum(1) == 4).all()
    np.testing.assert_allclose(weights.mean(0), 1, atol=0.05)
    np.testing.assert_allclose(weights.var(0), 3 / 4, atol=0.05)


def linear_case(values: np.ndarray) -> np.ndarray:
    """Turn values (S, I) in whole percent into matrices whose mIoU is the mean of the values.

    One class of 100 pixels an image, of which ``value`` are hit and the rest taken for another class that has
    no IoU of its own to add but 0: the mean IoU is half the share of hits.
    """
    matrices = np.zeros((*values.shape, 2, 2), dtype=np.int64)
    matrices[..., 0, 0] = values
    matrices[..., 0, 1] = 100 - values
    return matrices


@pytest.mark.parametrize("over", ["images", "seeds"])
def test_equals_scipy_where_the_statistic_is_linear(over):
    rng = np.random.default_rng(3)
    variant, baseline = rng.integers(30, 90, 12), rng.integers(20, 80, 12)
    shape = (1, -1, 2, 2) if over == "images" else (-1, 1, 2, 2)
    ours = miou_difference(
        linear_case(variant).reshape(shape),
        linear_case(baseline).reshape(shape),
        resamples=20000,
        widen=False,
    )

    def statistic(x, y, axis):
        return (x.mean(axis) - y.mean(axis)) / 2

    theirs = stats.bootstrap(
        (variant, baseline), statistic, paired=True, n_resamples=20000, method="percentile", rng=rng
    ).confidence_interval
    assert ours.difference == pytest.approx(statistic(variant, baseline, 0))
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.25)


def test_the_statistic_is_the_iou_of_summed_matrices():
    rng = np.random.default_rng(0)
    variant, baseline = rng.integers(0, 50, (2, 3, 7, 4, 4))
    variant[..., 3, :] = variant[..., :, 3] = 0  # a class that never occurs is no part of the mean
    expected = 100 * (mean_iou(variant.sum(1)) - mean_iou(baseline.sum(1))).mean()
    result = miou_difference(variant, baseline, resamples=100)
    assert result.difference == pytest.approx(expected)
    assert result.low < result.high
    assert miou_difference(variant, baseline, resamples=100) == result
    with pytest.raises(ValueError, match=r"one shape \(S, I, C, C\)"):
        miou_difference(variant, baseline[:, :-1])


def test_few_seeds_are_widened_to_student_t():
    assert seed_widening(1) == 1
    assert seed_widening(3) == pytest.approx(np.sqrt(3 / 2) * 4.302653 / 1.959964, rel=1e-5)
    assert seed_widening(1000) == pytest.approx(1, abs=0.003)


def simulate(
    rng: np.random.Generator, seeds: int, images: int, seed_sd: float, image_sd: float
) -> np.ndarray:
    """Simulate a study of three classes: (2, seeds, images, 3, 3), baseline and a variant that is better."""
    pixels = np.round(10000 * rng.dirichlet(np.ones(3), images))
    shift = 0.15 * np.arange(2).reshape(2, 1, 1, 1)
    image = rng.normal(0, image_sd / 2, (2, 1, images, 3)) + rng.normal(0, image_sd, (1, 1, images, 3))
    seed = rng.normal(0, seed_sd, (2, seeds, 1, 3))
    noise = rng.normal(0, 0.1, (2, seeds, images, 3))
    recall = 1 / (1 + np.exp(-(np.array([1.5, 0.5, 2.0]) + shift + image + seed + noise)))
    hits = np.round(pixels * recall)
    missed = np.round((pixels - hits) / 2)
    return np.where(np.eye(3, dtype=bool), hits[..., None], missed[..., None])


@pytest.mark.parametrize(
    ("seed_sd", "image_sd", "plain_holds"),
    [(0.15, 0.1, (60, 85)), (0.0, 1.0, (88, 99)), (0.08, 0.6, (80, 94))],
    ids=["seeds differ", "images differ", "both"],
)
def test_coverage(seed_sd, image_sd, plain_holds):
    """With 3 seeds the widened interval holds the truth in about 95% of studies, the plain one in fewer."""
    rng = np.random.default_rng(1)
    large = [simulate(rng, 40, 400, seed_sd, image_sd).sum(2) for _ in range(25)]
    truth = np.mean([100 * (mean_iou(m[1]) - mean_iou(m[0])).mean() for m in large])
    held = {True: 0, False: 0}
    studies = 200
    for _ in range(studies):
        matrices = simulate(rng, 3, 60, seed_sd, image_sd)
        for widen in held:
            result = miou_difference(matrices[1], matrices[0], resamples=300, widen=widen)
            held[widen] += result.low <= truth <= result.high
    assert 100 * held[True] / studies >= 91
    assert plain_holds[0] <= 100 * held[False] / studies <= plain_holds[1]


def test_ranks():
    scores = np.array([[70.0, 60.0, 50.0], [72.0, 60.0, np.nan], [60.0, 65.0, 40.0], [np.nan] * 3])
    np.testing.assert_allclose(average_ranks(scores)[:3], [(2 + 2.5 + 1) / 3, (1 + 2.5) / 2, (3 + 1 + 2) / 3])
    assert np.isnan(average_ranks(scores)[3])
