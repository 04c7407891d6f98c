"""IoU from confusion matrices, and the statistics of studies: intervals, resampling, ranks, power.

All functions are pure functions of arrays and need only NumPy and SciPy. S is the number of seeds, I of
images, C of classes, P of a network's outputs (P >= C), R of resamples, and N of networks.

**IoU.** TP / (TP + FP + FN). Outputs of a network that are not classes of the dataset are columns after the C
classes: a pixel in one of them is a miss of its true class and not a false alarm of any class.

**Scores of images** (Wang et al., Revisiting Evaluation Metrics for Semantic Segmentation, NeurIPS 2023,
arXiv:2310.19252; the authors' ``metrics/miouic_metric.py``). The IoU of an image and a class counts only if
the class is in the image's *truth*; images without a labelled pixel do not count. mIoU-I is the mean over
images of the mean over their classes. mIoU-C is the mean over classes of the mean over the images that
contain them. The score of the worst 5% is the mean over the ``max(1, int(0.05 * images))`` images with the
lowest means. The authors treat datasets of exactly two classes differently (only the second class counts, and
an image in which it is neither present nor predicted has an IoU of 1); here, two classes are treated like any
other number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from scipy import sparse, special, stats

RESAMPLES = 2000
LEVEL = 0.95
WORST = 0.05
"""The share of images that count as the worst."""

Frames = tuple[tuple[str, int], ...]
"""For each image, the name of its sequence and the number of its frame in the sequence."""

SMALLEST_P = 1e-9

SCORES = ("miou_percent", "miou_i_percent", "miou_c_percent", "miou_worst_percent")
"""Scores that :func:`score_counts` and :func:`resampled_scores` compute."""


# ---- IoU ----


def class_counts(matrices: np.ndarray) -> np.ndarray:
    """Return the counts that the IoU needs from confusion matrices, in a form that adds up over images.

    Args:
        matrices: (..., C, P) counts; rows are the truth, columns the prediction.

    Returns:
        (..., 3, C) float64: TP; TP + FP + FN; TP + FN, which are the pixels of the truth.
    """
    hits = np.diagonal(matrices, axis1=-2, axis2=-1).astype(np.float64)
    truth = matrices.sum(-1).astype(np.float64)
    union = truth + matrices.sum(-2)[..., : hits.shape[-1]] - hits
    return np.stack([hits, union, truth], axis=-2)


def class_iou(matrices: np.ndarray) -> np.ndarray:
    """Return the IoU of each class in [0, 1]; NaN for a class absent from truth and prediction.

    Args:
        matrices: (..., C, P) counts.

    Returns:
        (..., C) float64.
    """
    return _iou(class_counts(matrices))


def mean_iou(matrices: np.ndarray) -> np.ndarray:
    """Return the mean of :func:`class_iou` over the classes that occur: (..., C, P) -> (...)."""
    return _mean(class_iou(matrices))


def _iou(counts: np.ndarray) -> np.ndarray:
    """Return TP / (TP + FP + FN): (..., 3, C) -> (..., C); NaN for a class that does not occur."""
    hits, union = counts[..., 0, :], counts[..., 1, :]
    return np.divide(hits, union, out=np.full(hits.shape, np.nan), where=union > 0)


def mean_ratio(parts: np.ndarray, wholes: np.ndarray) -> np.ndarray:
    """Return the mean of part / whole over the classes that have a whole: (..., C) -> (...); else NaN."""
    shares = np.full(np.broadcast_shapes(parts.shape, wholes.shape), np.nan)
    return _mean(np.divide(parts, wholes, out=shares, where=wholes > 0))


def _mean(values: np.ndarray) -> np.ndarray:
    """Return the mean of the values along the last axis that are not NaN, else NaN: (..., C) -> (...)."""
    missing = np.isnan(values)
    count = values.shape[-1] - missing.sum(-1)
    total = np.where(missing, 0, values).sum(-1)
    return np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0)


def score_images(matrices: np.ndarray) -> dict[str, float]:
    """Return the scores that weigh all images equally, in percent: mIoU-I, mIoU-C and the worst images'.

    Args:
        matrices: (I, C, P) counts.

    Returns:
        ``miou_i_percent``, ``miou_c_percent`` and ``miou_worst_percent``; NaN without a labelled pixel.
    """
    counts = class_counts(matrices)
    return {score: float(value[0]) for score, value in _drawn(SCORES[1:], counts, _once(len(counts))).items()}


def _drawn(scores: Sequence[str], counts: np.ndarray, draws: Draws) -> dict[str, np.ndarray]:
    """Return scores of one run in percent, with images counted as often as they are drawn.

    Args:
        scores: some of ``SCORES``.
        counts: (I, 3, C) result of :func:`class_counts`.
        draws: how often each image is drawn; the precision of its weights is that of the results.

    Returns:
        Score -> (R,); NaN if no drawn image has a label.
    """
    kind = draws.weights.dtype
    shown = counts[:, 2] > 0  # (I, C)
    iou = np.divide(counts[:, 0], counts[:, 1], out=np.zeros(shown.shape), where=shown)
    classes = shown.sum(1)
    values = iou.sum(1) / np.maximum(classes, 1)  # (I,)
    labelled = classes > 0
    found = {}
    for score in scores:
        if score == "miou_percent":
            part, whole = draws.sum(counts[:, 0]), draws.sum(counts[:, 1])
        elif score == "miou_c_percent":
            part, whole = draws.sum(iou), _summed_truth(shown, draws)
        elif score == "miou_i_percent":
            part, whole = draws.sum(values[:, None]), _summed_truth(labelled[:, None], draws)
        else:
            part, whole = _worst(values.astype(kind), labelled, draws)
        found[score] = (100 * _mean_of_shares(part, whole)).astype(kind, copy=False)
    return found


_TRUTH: dict[tuple, tuple[Draws, np.ndarray]] = {}
"""The last results of :func:`_summed_truth`, each with its draws, by what was summed.

The shape of the weights is a part of the key, as a run's own scores draw every image once.
"""


def _summed_truth(shown: np.ndarray, draws: Draws) -> np.ndarray:
    """Return the sums of what the truth shows, which all runs on the same images have in common."""
    key = (draws.weights.shape, shown.shape, shown.tobytes())
    known = _TRUTH.get(key)
    if known is None or known[0] is not draws:
        while len(_TRUTH) >= 16:
            _TRUTH.pop(next(iter(_TRUTH)))
        known = _TRUTH[key] = draws, draws.sum(shown)
    return known[1]


def _worst(values: np.ndarray, labelled: np.ndarray, draws: Draws) -> tuple[np.ndarray, np.ndarray]:
    """Return the sum of the worst images' values, (1, R), and the number of these images, (1, R).

    Args:
        values: (I,) values of the images.
        labelled: (I,) whether each image has a labelled pixel.
        draws: how often each image is drawn.
    """
    weights = draws.weights
    images = _summed_truth(labelled[:, None], draws)[0]
    left = np.where(images > 0, np.maximum(1, np.floor(WORST * images + 1e-6)), 0).astype(weights.dtype)
    worst, total = left.copy(), np.zeros_like(left)
    order = np.argsort(np.where(labelled, values, np.inf), kind="stable")
    for index in order[: labelled.sum()]:
        taken = np.minimum(weights[index], left)
        total += taken * values[index]
        left -= taken
        if not left.any():
            break
    return total[None], worst[None]


def _mean_of_shares(parts: np.ndarray, wholes: np.ndarray) -> np.ndarray:
    """Return the mean over classes of part / whole, (C, R) and (C, R) -> (R,), without classes of whole 0.

    It is NaN if all wholes are 0. Wholes are whole numbers, and no part is greater than its whole.
    """
    count = (wholes > 0).sum(0, dtype=parts.dtype)
    total = (parts / np.maximum(wholes, 1)).sum(0)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


# ---- means and spreads ----


def sample_std(values: np.ndarray) -> np.ndarray:
    """Return the standard deviation over seeds with divisor S - 1: (..., S) -> (...); NaN for one seed."""
    values = np.asarray(values, dtype=np.float64)
    if values.shape[-1] < 2:
        return np.full(values.shape[:-1], np.nan)
    return values.std(-1, ddof=1)


def mean_interval(percents: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """Return the interval of the mean over seeds by Student's t, clipped to the range 0 to 100.

    Args:
        percents: (S,) values in percent.
        level: level of the interval.

    Returns:
        The ends of the interval; NaN for one seed.
    """
    percents = np.asarray(percents, dtype=np.float64)
    if len(percents) < 2:
        return float("nan"), float("nan")
    half = _student((1 + level) / 2, len(percents) - 1) * sample_std(percents) / np.sqrt(len(percents))
    return float(max(0.0, percents.mean() - half)), float(min(100.0, percents.mean() + half))


def median_interval(samples: np.ndarray) -> tuple[float, float]:
    """Return a 95% interval of the median from order statistics.

    The number of samples below the median is binomial for any distribution. SciPy's ``quantile_test`` gives
    the same interval but takes twenty times as long, which matters in a report with many latencies.

    Args:
        samples: (n,) independent values.

    Returns:
        The ends of the interval; NaN for fewer than 6 values, among which no interval has a level of 95%.
    """
    ordered = np.sort(np.asarray(samples, dtype=np.float64))
    below = int(stats.binom.ppf(0.025, len(ordered), 0.5)) if len(ordered) else 0
    if below < 1:
        return float("nan"), float("nan")
    return float(ordered[below - 1]), float(ordered[len(ordered) - below])


def _student(tail: float, degrees: float) -> float:
    """Return the quantile of Student's t."""
    return float(special.stdtrit(degrees, tail))


# ---- images that belong together ----


@dataclass(frozen=True)
class Blocks:
    """The way in which images are resampled: in circular blocks of consecutive frames.

    Attributes:
        length: number of frames in a block; 1 resamples single images.
        sequences: number of sequences.
        longest: number of frames of the longest sequence.
        count: number of blocks that the images make: the sum over sequences of frames / block length, which
            need not be a whole number.
    """

    length: int
    sequences: int
    longest: int
    count: float

    def __str__(self) -> str:
        if self.length == 1:
            return "single images"
        if self.length >= self.longest:
            return f"{self.sequences} whole sequences"
        within = "one sequence" if self.sequences == 1 else f"{self.sequences} sequences"
        return f"blocks of {self.length} consecutive frames within {within}"


def single_images(images: int) -> Frames:
    """Return the frames of independent images, each of which is a sequence of its own."""
    return tuple((str(i), 0) for i in range(images))


def number_frames(frames: Iterable[Sequence]) -> Frames:
    """Return sequences and frames as numbers, whatever their names are.

    Args:
        frames: name of the sequence of each image, and a number that grows with time.

    Returns:
        For each image the number of its sequence, in the order of their first images, and its position there.
    """
    return _number(tuple((str(sequence), int(frame)) for sequence, frame in frames))


@lru_cache(maxsize=16)  # the records of a study name the same frames
def _number(known: Frames) -> Frames:
    numbered: list[tuple[str, int]] = [("", 0)] * len(known)
    for number, members in enumerate(_sequences(known)):
        for place, index in enumerate(members):
            numbered[index] = (str(number), place)
    return tuple(numbered)


@lru_cache(maxsize=64)
def choose_blocks(frames: Frames) -> Blocks:
    """Return the blocks in which images are resampled.

    A block has ``1.3 * sqrt(I)`` frames, rounded up. This length is by Lazarus, Lewis, Stock and Watson, HAR
    inference, Journal of Business & Economic Statistics 36 (2018), for the variance estimate of circular
    blocks (that of Bartlett, or Newey and West). It is chosen for the coverage of intervals and belongs
    together with the widening of :func:`image_widening`. The length that estimates the variance best (Politis
    and White, 2004) is shorter and depends on the noise of the series. Its intervals had a coverage of 92%
    with frames as here and 85 to 91% with 60 frames (simulated: autoregressive series, lag-1 correlation 0.4
    to 0.7).

    A block is never longer than its sequence, so many short sequences are resampled as a whole, and never
    longer than a third of all images. If no sequence has two frames, a block is one image.

    Args:
        frames: sequence and frame of each image.
    """
    lengths = [len(members) for members in _sequences(frames)]
    longest, images = max(lengths), len(frames)
    length = min(math.ceil(1.3 * math.sqrt(images)), longest, max(1, images // 3))
    return Blocks(length, len(lengths), longest, sum(size / min(length, size) for size in lengths))


def _sequences(frames: Frames) -> list[np.ndarray]:
    """Return the indices of each sequence's images, in the order of their frames."""
    members: dict[str, list[int]] = {}
    for index, (sequence, _) in enumerate(frames):
        members.setdefault(sequence, []).append(index)
    return [np.array(sorted(found, key=lambda i: frames[i][1])) for found in members.values()]


@dataclass(frozen=True, eq=False)
class Draws:
    """How often images are drawn in each resample.

    Attributes:
        weights: (I, R) how often each image is drawn: whole numbers in float32 or float64.
        starts: (R, I) how often a block is drawn that begins at each image; None if blocks are single images.
        sequences: indices of each sequence's images, in the order of their frames.
        length: length of a block in sequences that are not shorter.
    """

    weights: np.ndarray
    starts: sparse.csr_array | None = None
    sequences: tuple[np.ndarray, ...] = ()
    length: int = 1

    @cached_property
    def _exact(self) -> np.ndarray:
        return self.weights.astype(np.float64)

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Return the sums of values over the drawn images in float64: (I, C) -> (C, R).

        They are exact for whole numbers. Whole blocks are summed first, and then the few blocks of each
        resample, which takes a third of the time of a product with all weights.
        """
        if self.starts is None:
            return np.ascontiguousarray(values.T, dtype=np.float64) @ self._exact
        blocks = np.empty(values.shape)
        for members in self.sequences:
            length = min(self.length, len(members))
            total = np.zeros((len(members) + length, values.shape[1]))
            circle = np.concatenate([members, members[: length - 1]])
            np.cumsum(values[circle], axis=0, dtype=np.float64, out=total[1:])
            blocks[members] = total[length:] - total[:-length]
        return np.ascontiguousarray((self.starts @ blocks).T)


def _once(images: int) -> Draws:
    """Return one resample that draws every image once."""
    return Draws(np.ones((images, 1)))


@lru_cache(maxsize=8)
def draw_images(frames: Frames, resamples: int, random_seed: int) -> Draws:
    """Draw images in circular blocks of consecutive frames.

    The number of blocks is ``Blocks.count``, rounded up. Each image is equally likely to be in a block. A
    block that reaches the end of its sequence continues at the sequence's start and never in another sequence
    (Politis and Romano, A circular block-resampling procedure for stationary data, 1992).

    Args:
        frames: sequence and frame of each image.
        resamples: number R of resamples.
        random_seed: seed; the same seed gives the same draws.
    """
    blocks = choose_blocks(frames)
    sequences = _sequences(frames)
    chance = np.empty(len(frames))
    for members in sequences:
        chance[members] = 1 / (min(blocks.length, len(members)) * blocks.count)
    rng = np.random.default_rng(random_seed)
    starts = rng.multinomial(math.ceil(blocks.count), chance / chance.sum(), size=resamples)
    weights = np.ascontiguousarray(starts.T, dtype=np.float32)
    for members in sequences if blocks.length > 1 else ():
        length = min(blocks.length, len(members))
        begun = weights[members]
        # A frame is in the blocks that start at it or at one of the length - 1 frames before it.
        total = np.cumsum(np.concatenate([begun[len(members) - length :], begun]), axis=0)
        weights[members] = total[length:] - total[:-length]
    weights.flags.writeable = False  # shared by all callers
    if blocks.length == 1:
        return Draws(weights)
    return Draws(weights, sparse.csr_array(starts.astype(np.float64)), tuple(sequences), blocks.length)


@lru_cache(maxsize=8)
def _seed_weights(seeds: int, resamples: int, random_seed: int) -> np.ndarray:
    """Return how often each seed is drawn in S draws with replacement: (R, S)."""
    rng = np.random.default_rng([random_seed, seeds])
    weights = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples).astype(np.float64)
    weights.flags.writeable = False
    return weights


def seed_widening(seeds: int, level: float = LEVEL) -> float:
    """Return the factor for the deviations of resampled seeds, so that few seeds give no false confidence.

    Resampling S values underestimates the variance of their mean by the factor (S - 1) / S. Its quantiles are
    those of a normal distribution, but Student's t with S - 1 degrees of freedom is needed.

    Args:
        seeds: number of seeds, at least 1; one seed has no deviations, and the factor is 1.
        level: level of the interval.
    """
    return _widening(seeds, seeds, level)


def image_widening(blocks: Blocks, level: float = LEVEL) -> float:
    """Return the factor for the deviations of resampled images, as few blocks are few draws.

    It is computed like :func:`seed_widening` with blocks as draws; a block in part is drawn as a whole block.
    """
    return _widening(blocks.count, math.ceil(blocks.count), level)


def _widening(count: float, drawn: int, level: float) -> float:
    if count < 2:
        return 1.0
    tail = (1 + level) / 2
    return float(np.sqrt(drawn / (count - 1)) * _student(tail, count - 1) / special.ndtri(tail))


# ---- differences ----


@dataclass(frozen=True)
class Interval:
    """A difference with its interval, in the unit of what was compared.

    Attributes:
        difference: difference on all seeds and images, without resampling.
        low: lower end of the interval.
        high: upper end of the interval.
        blocks: blocks in which images were resampled.
    """

    difference: float
    low: float
    high: float
    blocks: Blocks

    @property
    def resolved(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low > 0 or self.high < 0


def resampled_scores(
    matrices: np.ndarray,
    frames: Frames,
    scores: Sequence[str] = SCORES,
    *,
    resamples: int = RESAMPLES,
    random_seed: int = 0,
) -> dict[str, tuple[float, np.ndarray]]:
    """Return scores of a run in percent, without resampling and with resampled images.

    Runs that were tested on the same images use the same resamples, so that their differences are paired.

    Args:
        matrices: (I, C, P) confusion matrices.
        frames: sequence and frame of each image.
        scores: some of ``SCORES``.
        resamples: number R of resamples.
        random_seed: seed; the same seed gives the same resamples.

    Returns:
        Score -> its value, and (R,) float32 values with resampled images; NaN if no drawn image has a label.
    """
    counts = class_counts(matrices)
    draws = draw_images(frames, resamples, random_seed)
    whole, drawn = (_drawn(scores, counts, some) for some in (_once(len(counts)), draws))
    return {score: (float(whole[score][0]), drawn[score]) for score in scores}


def resampled_statistic(
    counts: np.ndarray,
    frames: Frames,
    statistic: Callable[[np.ndarray], np.ndarray],
    *,
    resamples: int = RESAMPLES,
    random_seed: int = 0,
) -> tuple[float, np.ndarray]:
    """Return a statistic of counts, without resampling and with resampled images.

    Images are resampled as in :func:`resampled_scores`.

    Args:
        counts: (I, ...) counts, which can be summed over images.
        frames: sequence and frame of each image.
        statistic: function that takes (R, ...) sums over images and returns (R,) values.
        resamples: number R of resamples.
        random_seed: seed; the same seed gives the same resamples.

    Returns:
        The value of the statistic, and its (R,) values with resampled images; NaN if the drawn images have
        nothing to count.
    """
    flat = counts.reshape(len(counts), -1).astype(np.float64)
    drawn = draw_images(frames, resamples, random_seed).sum(flat).T
    whole, resampled = (
        statistic(some.reshape(len(some), *counts.shape[1:])) for some in (flat.sum(0)[None], drawn)
    )
    return float(whole[0]), resampled


@dataclass(frozen=True)
class Spread:
    """The variation of a mean over seeds with images and seeds.

    Attributes:
        center: mean over seeds on all images.
        images: (R,) deviations of this mean with resampled images.
        seeds: (R,) deviations with resampled seeds, on the same resampled images.
        seed_count: number S of seeds.
        blocks: blocks in which images were resampled.
    """

    center: float
    images: np.ndarray
    seeds: np.ndarray
    seed_count: int
    blocks: Blocks

    def draws(self, level: float = LEVEL) -> np.ndarray:
        """Return the means with resampled seeds and images, stretched for an interval of this level: (R,)."""
        by_images = image_widening(self.blocks, level) * self.images
        return self.center + by_images + seed_widening(self.seed_count, level) * self.seeds

    def quantile(self, tail: float) -> float:
        """Return one end of the interval of level ``1 - 2 * min(tail, 1 - tail)``.

        Beyond the first and last hundredth, where resamples are few, the tail is that of a normal
        distribution.
        """
        outer = min(tail, 1 - tail)
        draws = self.draws(1 - 2 * outer)
        draws = draws[~np.isnan(draws)]
        if outer >= 0.01:
            return _quantile(draws, tail)
        far = _quantile(draws, 0.01 if tail < 0.5 else 0.99)
        middle = float(draws.mean())
        return middle + (far - middle) * float(special.ndtri(outer) / special.ndtri(0.01))


def _quantile(values: np.ndarray, share: float) -> float:
    """Return the same as ``np.quantile`` in a tenth of its time, which matters for many intervals."""
    if not len(values):
        return float("nan")
    place = share * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    parted = np.partition(values, (low, high))
    return float(parted[low] + (place - low) * (parted[high] - parted[low]))


def spread_over_seeds(
    by_seed: np.ndarray, resampled: np.ndarray, blocks: Blocks, *, random_seed: int = 0
) -> Spread:
    """Cross resampled images with resampled seeds.

    Args:
        by_seed: (S,) values of a score, or paired differences of it.
        resampled: (R, S) the same with resampled images.
        blocks: blocks in which the images were resampled.
        random_seed: seed for resampling the seeds.
    """
    resamples, seeds = resampled.shape
    center = float(by_seed.mean())
    share = (_seed_weights(seeds, resamples, random_seed + 1) - 1) / seeds  # (R, S)
    return Spread(center, resampled.mean(1) - center, (share * resampled).sum(1), seeds, blocks)


def paired_interval(spread: Spread, *, level: float = LEVEL) -> Interval:
    """Return the mean over seeds of paired differences, with its bootstrap interval over seeds and images.

    Every resample draws seeds with replacement, and blocks of images (:func:`draw_images`), in the same way
    for both networks. The deviations of images and of seeds are stretched by :func:`image_widening` and
    :func:`seed_widening` before the ends of the interval are taken as percentiles.

    Args:
        spread: the spread of the differences.
        level: level of the interval.

    The table shows the coverage of the 95% interval for a difference of mIoU: how often it holds the true
    difference, in percent of 400 simulated studies with 3 classes (tests/test_statistics.py has a short
    version). The content of frames, their difficulty and the errors of each training are autoregressive
    series with the given correlation of neighbours. The coverage in brackets is that of resampling single
    images:

    ================  ===========  ===========  ===========  ===========  ===========
    videos            correlation  1 seed       2 seeds      3 seeds      5 seeds
    ================  ===========  ===========  ===========  ===========  ===========
    62 and 171        0            96.5 (95.5)  99.2 (99.0)  97.0 (97.2)  96.0 (96.5)
    frames            0.4          94.5 (83.5)  99.0 (98.0)  97.8 (93.8)  97.0 (94.2)
                      0.55         96.2 (76.2)  100 (99.2)   98.8 (95.8)  94.0 (89.5)
                      0.7          95.5 (61.0)  100 (98.8)   98.2 (91.8)  96.5 (86.2)
    60 frames         0            97.0 (93.5)  99.8 (99.8)  98.5 (97.0)  98.0 (96.2)
                      0.4          95.8 (81.0)  100 (99.5)   98.2 (95.8)  95.8 (89.0)
                      0.55         95.2 (73.0)  99.8 (99.8)  98.0 (93.2)  96.5 (86.5)
                      0.7          91.2 (65.5)  99.8 (98.8)  98.8 (88.5)  97.8 (79.8)
    ================  ===========  ===========  ===========  ===========  ===========

    The standard error of these figures is 1 point. So two seeds resolve only large differences, and with
    three the interval is a little wider than necessary: both factors are applied where either one would do.

    With one seed, only the images are resampled. The interval then describes the difference between these two
    trainings, and says nothing about other seeds. It never says anything about other videos than those
    tested.
    """
    tail = (1 - level) / 2
    low, high = spread.quantile(tail), spread.quantile(1 - tail)
    return Interval(spread.center, low, high, spread.blocks)


def p_value(spread: Spread) -> float:
    """Return the smallest error level at which :func:`paired_interval` excludes zero.

    It is found by bisection, so a p-value below 0.05 is equivalent to a 95% interval without zero. It is at
    least ``SMALLEST_P``; beyond the last hundredth, the tails are those of :meth:`Spread.quantile`.

    Args:
        spread: the spread of the differences.
    """
    upper = spread.center < 0
    low, high = math.log(SMALLEST_P / 2), math.log(0.5)
    for _ in range(16):
        middle = (low + high) / 2
        tail = math.exp(middle)
        end = spread.quantile(1 - tail if upper else tail)
        if end < 0 if upper else end > 0:
            high = middle
        else:
            low = middle
    return min(1.0, 2 * math.exp(high))


def adjust_holm(p_values: np.ndarray) -> np.ndarray:
    """Return p-values adjusted for the number of comparisons by Holm's step-down method.

    If the comparisons whose adjusted values are below 0.05 are called differences, then in at least 95% of
    cases none of them is false, whatever their dependence (Holm, Scandinavian Journal of Statistics 6, 1979).

    Args:
        p_values: (N,) p-values; NaN values are not counted as comparisons.
    """
    p_values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p_values)  # NaN last
    count = int((~np.isnan(p_values)).sum())
    factors = np.maximum(count - np.arange(len(p_values)), 1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p_values[order] * factors))
    return adjusted


# ---- ranks and power ----


@dataclass(frozen=True)
class Rank:
    """The rank of a network among others; 1 is the best, and ties share their mean rank.

    Attributes:
        rank: rank on all seeds and images, without resampling.
        low: best rank in the interval.
        high: worst rank in the interval.
        first: share of resamples in which the network is the best, or one of the best.
    """

    rank: float
    low: float
    high: float
    first: float


def rank_networks(spreads: Sequence[Spread], level: float = LEVEL) -> list[Rank]:
    """Rank networks by a score of which higher is better, with the uncertainty from seeds and images.

    In each resample, all networks use the same images, and networks with equally many seeds the same seeds.

    Args:
        spreads: spreads of the networks' scores, on the same images and with the same R.
        level: level of the intervals.
    """
    draws = np.stack([spread.draws(level) for spread in spreads], axis=1)  # (R, N)
    draws = draws[~np.isnan(draws).any(1)]
    places = stats.rankdata(-draws, axis=1)
    ranks = stats.rankdata([-spread.center for spread in spreads])
    ends = np.quantile(places, [(1 - level) / 2, (1 + level) / 2], axis=0, method="closest_observation")
    first = (draws == draws.max(1, keepdims=True)).mean(0)
    return [
        Rank(float(rank), float(low), float(high), float(share))
        for rank, low, high, share in zip(ranks, *ends, first, strict=True)
    ]


@dataclass(frozen=True)
class Power:
    """The number of seeds that a difference needs.

    Attributes:
        half_width: half width of the interval with the present seeds.
        seeds: number of seeds that gives the desired half width; None if no number does, or if it is unknown.
        limit: half width that no number of seeds can go below, because of the given images.
    """

    half_width: float
    seeds: int | None
    limit: float


def seeds_needed(
    resampled: np.ndarray,
    blocks: Blocks,
    wished: float,
    *,
    level: float = LEVEL,
    most: int = 1000,
) -> Power:
    """Return how many seeds an interval of a desired half width needs, estimated from the present seeds.

    The variance over images is split into a part that all seeds share, which remains, and a part of each
    seed, which decreases with the number of seeds, as does the variance between seeds. Few seeds give only a
    rough estimate of the latter: with three it can be wrong by a factor of two, and so can the number of
    seeds.

    Args:
        resampled: (R, S) paired differences with resampled images.
        blocks: blocks in which the images were resampled.
        wished: desired half width of the interval.
        level: level of the interval.
        most: largest number of seeds to consider.
    """
    seeds = resampled.shape[1]
    tail = (1 + level) / 2
    images = (image_widening(blocks, level) * float(special.ndtri(tail))) ** 2
    mean_variance = float(np.nanvar(resampled.mean(1)))
    own = max(0.0, float(np.nanvar(resampled, axis=0).mean()) - mean_variance)
    if seeds < 2:
        only = math.sqrt(images * mean_variance)
        return Power(only, None, only)
    own *= seeds / (seeds - 1)
    between = float(np.nanmean(sample_std(resampled) ** 2))  # on resampled images, as for the interval
    shared = max(0.0, mean_variance - own / seeds)

    def half(count: int) -> float:
        over_images = images * (shared + own / count)
        return math.sqrt(over_images + _student(tail, count - 1) ** 2 * between / count)

    enough = next((count for count in range(2, most + 1) if half(count) <= wished), None)
    return Power(half(seeds), enough, math.sqrt(images * shared))
