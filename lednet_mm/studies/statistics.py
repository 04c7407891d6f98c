"""What a study's numbers say: means and spreads over seeds, paired differences with an interval, ranks.

Pure functions of arrays. S is the number of seeds, I of images, C of classes, R of resamples, N of networks,
T of tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import stats

RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A difference with its interval, in the unit of what was compared.

    Attributes:
        difference: on all seeds and images as they are.
        low: lower end.
        high: upper end.
    """

    difference: float
    low: float
    high: float

    @property
    def resolved(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0


def mean(values: np.ndarray) -> np.ndarray:
    """Return the mean over seeds: (..., S) -> (...)."""
    return np.asarray(values, dtype=np.float64).mean(-1)


def sample_std(values: np.ndarray) -> np.ndarray:
    """Return the standard deviation over seeds, divisor S - 1: (..., S) -> (...); NaN for one seed."""
    values = np.asarray(values, dtype=np.float64)
    if values.shape[-1] < 2:
        return np.full(values.shape[:-1], np.nan)
    return values.std(-1, ddof=1)


def paired_difference(variant: dict[int, float], baseline: dict[int, float]) -> dict[int, float]:
    """Return variant minus baseline on each seed that both have, by seed in ascending order."""
    return {seed: variant[seed] - baseline[seed] for seed in sorted(variant.keys() & baseline.keys())}


def hits_and_unions(matrices: np.ndarray) -> np.ndarray:
    """Return what IoU needs of confusion matrices, in a form that adds up over images.

    Args:
        matrices: (..., C, P), rows truth, columns prediction, P - C of them outputs that are no class.

    Returns:
        (..., 2, C) float64: TP, and TP + FP + FN.
    """
    hits = np.diagonal(matrices, axis1=-2, axis2=-1).astype(np.float64)
    union = matrices.sum(-1) + matrices.sum(-2)[..., : hits.shape[-1]] - hits
    return np.stack([hits, union], axis=-2)


def _mean_iou(counts: np.ndarray) -> np.ndarray:
    """Return the mean IoU over the classes that occur: (..., 2, C) -> (...)."""
    hits, union = counts[..., 0, :], counts[..., 1, :]
    iou = np.divide(hits, union, out=np.zeros_like(hits), where=union > 0)
    return iou.sum(-1) / np.maximum((union > 0).sum(-1), 1)


@lru_cache(maxsize=8)
def resample_weights(resamples: int, size: int, random_seed: int) -> np.ndarray:
    """Return how often each of ``size`` things is drawn in ``size`` draws with replacement: (R, size)."""
    rng = np.random.default_rng(random_seed)
    weights = rng.multinomial(size, np.full(size, 1 / size), size=resamples).astype(np.float64)
    weights.flags.writeable = False  # shared by all callers
    return weights


def mean_interval(values: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """Return the interval of the mean over seeds by Student's t: (S,) -> (low, high); NaN for one seed."""
    values = np.asarray(values, dtype=np.float64)
    if len(values) < 2:
        return float("nan"), float("nan")
    half = stats.t.ppf((1 + level) / 2, len(values) - 1) * sample_std(values) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def seed_widening(seeds: int, level: float = LEVEL) -> float:
    """Return by how much deviations of resampled seeds are stretched, lest few seeds give false confidence.

    Resampling S values understates the variance of their mean by (S - 1) / S, and its quantiles are those of
    a normal distribution where Student's t with S - 1 degrees of freedom is due.

    Args:
        seeds: at least 1; one seed has no deviations, and the factor is 1.
        level: of the interval.
    """
    if seeds < 2:
        return 1.0
    tail = (1 + level) / 2
    return float(np.sqrt(seeds / (seeds - 1)) * stats.t.ppf(tail, seeds - 1) / stats.norm.ppf(tail))


def resampled_miou(
    matrices: np.ndarray, *, resamples: int = RESAMPLES, random_seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean IoU in percent of runs, as they are and with their images resampled.

    Runs tested on the same number of images are resampled alike, so that their differences are paired.

    Args:
        matrices: (S, I, C, P) confusion matrices.
        resamples: R.
        random_seed: the same gives the same resamples.

    Returns:
        (S,) mean IoU over the classes that occur, and (R, S) of resamples.
    """
    counts = hits_and_unions(matrices)  # (S, I, 2, C)
    weights = resample_weights(resamples, counts.shape[1], random_seed)
    drawn = np.tensordot(weights, counts, axes=(1, 1))  # (R, S, 2, C)
    return 100 * _mean_iou(counts.sum(1)), 100 * _mean_iou(drawn)


def paired_interval(
    by_seed: np.ndarray,
    resampled: np.ndarray,
    *,
    level: float = LEVEL,
    widen: bool = True,
    random_seed: int = 0,
) -> Interval:
    """Return the mean over seeds of paired differences, with its bootstrap interval over seeds and images.

    Args:
        by_seed: (S,) differences.
        resampled: (R, S) the same with the images resampled.
        level: of the interval.
        widen: see :func:`miou_difference`.
        random_seed: of the resampling of seeds.

    Returns:
        The mean difference and its interval.
    """
    resamples, seeds = resampled.shape
    seed_weights = resample_weights(resamples, seeds, random_seed + 1) / seeds  # (R, S)
    stretch = seed_widening(seeds, level) if widen else 1.0
    # With a stretch of 1 this is sum(seed_weights * resampled), the mean over the drawn seeds.
    differences = resampled.mean(1) + stretch * ((seed_weights - 1 / seeds) * resampled).sum(1)
    low, high = np.quantile(differences, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(by_seed.mean()), float(low), float(high))


def miou_difference(
    variant: np.ndarray,
    baseline: np.ndarray,
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    widen: bool = True,
    random_seed: int = 0,
) -> Interval:
    """Return the difference of the mean IoU in percent points, with its paired bootstrap interval.

    Every resample draws seeds and images with replacement, the same ones for both networks; the IoU is
    that of the summed matrices, averaged over classes that occur, then over seeds.

    Args:
        variant: (S, I, C, C) confusion matrices, rows truth; seeds and images in the baseline's order.
        baseline: (S, I, C, C).
        resamples: R.
        level: of the interval.
        widen: stretch the deviations of resampled seeds by :func:`seed_widening`. Without it this is the
            plain percentile bootstrap, which claims too much from few seeds (see below).
        random_seed: of the resampling; the same gives the same interval.

    Returns:
        variant - baseline.

    Raises:
        ValueError: shapes that differ, or that have no seed or image.

    How often the 95% interval holds the true difference, in percent of 2000 simulated studies of 60 images
    and 3 classes (tests/studies/test_statistics.py repeats it in short), widened / plain:

    ========================  =======  =======  =======  =======
    what makes runs differ    2 seeds  3 seeds  5 seeds  10 seeds
    ========================  =======  =======  =======  =======
    the seeds, mostly         99 / 60  97 / 78  96 / 86  95 / 91
    seeds and images          100/ 86  98 / 92  96 / 93  95 / 94
    the images alone          100/ 93  96 / 95  94 / 94  94 / 94
    ========================  =======  =======  =======  =======

    So two seeds resolve only gross differences.

    With one seed only the images are resampled: the interval then says how sure the difference between
    these two trainings is, and nothing about other seeds.
    """
    if variant.shape != baseline.shape or variant.ndim != 4 or 0 in variant.shape:
        raise ValueError(
            f"matrices of one shape (S, I, C, C) are needed, not {variant.shape} and {baseline.shape}"
        )
    ours, theirs = (
        resampled_miou(runs, resamples=resamples, random_seed=random_seed) for runs in (variant, baseline)
    )
    by_seed, resampled = ours[0] - theirs[0], ours[1] - theirs[1]  # (S,), (R, S)
    return paired_interval(by_seed, resampled, level=level, widen=widen, random_seed=random_seed)


def average_ranks(scores: np.ndarray) -> np.ndarray:
    """Return each network's mean rank over tasks; 1 is best, ties share their mean rank.

    Args:
        scores: (N, T), higher is better; NaN where a network has no score: it is left out of that task.

    Returns:
        (N,); NaN for a network without any score.
    """
    scores = np.asarray(scores, dtype=np.float64)
    ranks = stats.rankdata(-scores, axis=0, nan_policy="omit")
    known = ~np.isnan(scores)
    total = np.where(known, ranks, 0).sum(1)
    count = known.sum(1)
    return np.divide(total, count, out=np.full(len(scores), np.nan), where=count > 0)
