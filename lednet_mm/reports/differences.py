"""Differences between runs, and ranks of networks, from the confusion matrices in accuracy records."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from lednet_mm.datasets.frames import frames_of_names
from lednet_mm.evaluation.confusion import unpack
from lednet_mm.record_format import Record
from lednet_mm.reports.processes import map_in_processes
from lednet_mm.statistics import (
    LEVEL,
    RESAMPLES,
    Blocks,
    Frames,
    Interval,
    Power,
    Rank,
    Spread,
    adjust_holm,
    choose_blocks,
    number_frames,
    p_value,
    paired_interval,
    rank_networks,
    resampled_scores,
    resampled_statistic,
    seed_widening,
    seeds_needed,
    single_images,
    spread_over_seeds,
)

MIOU = "miou_percent"
UNRESOLVED = "not resolved"


class Tested(Protocol):
    """The images on which a run was tested, and the scores that follow from them."""

    @property
    def frames(self) -> Frames | None:
        """Sequence and frame of each image; None if nothing is known about sequences."""

    @property
    def known_frames(self) -> Frames:
        """The frames; if nothing is known, each image is a sequence of its own."""

    @property
    def what(self) -> Hashable:
        """The properties that two runs must have in common to be paired image by image."""

    def resampled(self, scores: Sequence[str]) -> dict[str, tuple[float, np.ndarray]]:
        """Return the value of each score, and its (R,) values with resampled images."""


@dataclass(frozen=True)
class TestedImages:
    """The images on which an accuracy was measured.

    Attributes:
        names: names of the files; empty if the record keeps none.
        frames: sequence and frame of each image; None if nothing is known about sequences.
        matrices: (images, C, P) confusion matrices.
    """

    names: tuple[str, ...]
    frames: Frames | None
    matrices: np.ndarray

    @property
    def known_frames(self) -> Frames:
        """The frames; if nothing is known, each image is a sequence of its own."""
        return single_images(len(self.matrices)) if self.frames is None else self.frames

    @property
    def what(self) -> Hashable:
        """The names of the images in order, and the shape of their matrices."""
        return hash(self.names), self.matrices.shape

    def resampled(self, scores: Sequence[str]) -> dict[str, tuple[float, np.ndarray]]:
        """Return each of :data:`lednet_mm.statistics.SCORES`, and its (R,) values with resampled images."""
        return resampled_scores(self.matrices, self.known_frames, scores)


@dataclass(frozen=True)
class CountedImages:
    """The images on which a measure other than the IoU was taken.

    Attributes:
        names: names of the files; empty if the record keeps none.
        frames: sequence and frame of each image; None if nothing is known about sequences.
        counts: (images, ...) counts, which can be summed over images.
        statistic: function that takes (R, ...) sums over images and returns the (R,) values of the measure.
    """

    names: tuple[str, ...]
    frames: Frames | None
    counts: np.ndarray
    statistic: Callable[[np.ndarray], np.ndarray]

    @property
    def known_frames(self) -> Frames:
        """The frames; if nothing is known, each image is a sequence of its own."""
        return single_images(len(self.counts)) if self.frames is None else self.frames

    @property
    def what(self) -> Hashable:
        """The names of the images in order, and the shape of their counts."""
        return hash(self.names), self.counts.shape

    def resampled(self, scores: Sequence[str]) -> dict[str, tuple[float, np.ndarray]]:
        """Return the measure and its (R,) values with resampled images, for each of the given names."""
        found = resampled_statistic(self.counts, self.known_frames, self.statistic)
        return dict.fromkeys(scores, found)


Load = Callable[[str], Tested]
Seeds = Mapping[int | None, str]
"""The names of accuracy records, by seed."""


def read_images(record: Record) -> TestedImages:
    """Return the images of an accuracy record.

    Raises:
        ValueError: the record keeps no matrices, no pixel has a label, or something is damaged.
    """
    details = record.details
    if "per_image_confusion" not in details:
        raise ValueError(f"{record.kind}-{record.id} keeps no confusion matrices")
    matrices = unpack(details["per_image_confusion"])
    if not matrices.any():
        raise ValueError("no labelled pixel")
    return TestedImages(*read_names(record, len(matrices)), matrices)


def read_names(record: Record, images: int) -> tuple[tuple[str, ...], Frames | None]:
    """Return the names of the images of an accuracy record, and their frames.

    The record contains the frames. For older records, they follow from the names of the images if the config
    names a known dataset; otherwise they are not known.

    Args:
        record: accuracy record with all its details.
        images: number of images.

    Raises:
        ValueError: the number of names or frames differs from the number of images.
    """
    details = record.details
    names = tuple(details.get("per_image_names", ()))
    found: Frames | None
    if "per_image_frames" in details:
        recorded = details["per_image_frames"]
        found = number_frames(recorded) if recorded else single_images(images)
    else:
        guessed = frames_of_names(record.config.text, names) if names else None
        found = None if guessed is None else number_frames(guessed)
    for what, known in (("names", names), ("frames", found)):
        if known and len(known) != images:
            raise ValueError(f"damaged record: {len(known)} {what} of {images} images")
    return names, found


@dataclass(frozen=True)
class Difference:
    """A difference to a baseline.

    Attributes:
        seeds: seeds that both have.
        interval: difference with its interval, in percentage points; None if there is none.
        reason: why there is no interval.
        frames_known: whether it is known which images belong together; if not, single images are resampled.
        spread: the spread from which the interval is computed.
        adjusted_p: Holm's, among the comparisons with one baseline; None before :func:`adjust_family`.
    """

    seeds: tuple[int | None, ...]
    interval: Interval | None
    reason: str = ""
    frames_known: bool = True
    spread: Spread | None = field(default=None, repr=False, compare=False)
    adjusted_p: float | None = None

    @property
    def verdict(self) -> str:
        """The meaning of the interval on its own, in words."""
        if self.interval is None:
            return self.reason
        if not self.interval.resolved:
            return UNRESOLVED
        sign = "better" if self.interval.low > 0 else "worse"
        return sign if len(self.seeds) > 1 else f"{sign} (one seed)"

    @property
    def verdict_in_family(self) -> str | None:
        """The verdict after Holm's correction for all comparisons with one baseline; None if not known."""
        if self.adjusted_p is None:
            return None
        return self.verdict if self.adjusted_p < 1 - LEVEL else UNRESOLVED

    @property
    def sampling(self) -> str:
        """How images were resampled, in words; empty without an interval."""
        if self.interval is None:
            return ""
        return f"{self.interval.blocks}{'' if self.frames_known else ', as nothing is known of sequences'}"


def describe_method(samplings: Iterable[str], seeds: Iterable[int]) -> str:
    """Describe how intervals are computed, in enough detail to compute the same ones again.

    Args:
        samplings: :attr:`Difference.sampling` of each difference.
        seeds: number of seeds of each difference.
    """
    sampling = " or ".join(sorted(set(samplings)))
    several = (count for count in sorted(set(seeds)) if count > 1)
    widened = ", ".join(f"{seed_widening(count):.2f} times with {count} seeds" for count in several)
    of_seeds = f"those of the seeds {widened}; " if widened else ""
    return (
        f"The {LEVEL:.0%} interval is a paired percentile bootstrap: each of {RESAMPLES:,} resamples draws "
        f"seeds and images with replacement, the same ones for both networks (images: {sampling}). "
        f"Deviations are widened by Student's t ({of_seeds}those of the images by the number of blocks). A "
        "difference whose interval contains zero is not resolved."
    )


def adjust_family(family: Sequence[Difference]) -> list[Difference]:
    """Return differences to one baseline with p-values that are adjusted for their number."""
    adjusted = adjust_holm(np.array([p_value(d.spread) if d.spread else np.nan for d in family]))
    return [
        replace(difference, adjusted_p=None if np.isnan(p) else float(p))
        for difference, p in zip(family, adjusted, strict=True)
    ]


@dataclass(frozen=True)
class _Resampled:
    what: Hashable
    frames: int  # hash of the images' frames
    blocks: Blocks
    frames_known: bool
    scores: Mapping[str, tuple[float, np.ndarray]]  # value of the score, and its resampled values (R,)


class Differences:
    """Computes differences between runs; every record is read and resampled only once.

    Args:
        load: function that returns the tested images of the record with a given name. It raises a ValueError
            if the record does not have them.
        scores: names of the scores that will be needed: some of :data:`lednet_mm.statistics.SCORES`, or the
            one measure of :class:`CountedImages`.
    """

    def __init__(self, load: Load, scores: Sequence[str] = (MIOU,)) -> None:
        self._load = load
        self._scores = tuple(scores)
        self._known: dict[str, _Resampled | str] = {}

    def prepare(self, names: Iterable[str]) -> None:
        """Read and resample records in parallel."""
        wanted = [name for name in dict.fromkeys(names) if name not in self._known]
        self._known.update(zip(wanted, map_in_processes(self._resample, wanted), strict=True))

    def _resample(self, name: str) -> _Resampled | str:
        try:
            tested = self._load(name)
        except ValueError as error:
            return str(error)
        frames = tested.known_frames
        return _Resampled(
            tested.what,
            hash(frames),
            choose_blocks(frames),
            tested.frames is not None,
            tested.resampled(self._scores),
        )

    def scores(self, name: str) -> dict[str, float] | None:
        """Return the scores of a record in percent; None if it keeps no matrices."""
        self.prepare([name])
        found = self._known[name]
        if isinstance(found, str):
            return None
        return {score: value for score, (value, _) in found.scores.items()}

    def between(self, variant: Seeds, baseline: Seeds, score: str = MIOU) -> Difference:
        """Return the difference variant - baseline on the seeds that both have, with its interval.

        Args:
            variant: accuracies of the variant.
            baseline: accuracies of the baseline.
            score: score that is compared, one of those given at the beginning.
        """
        pairs = self._pairs(variant, baseline)
        if isinstance(pairs, Difference):
            return pairs
        seeds, ours, theirs = pairs
        by_seed, draws = self._paired(ours, theirs, score)
        spread = spread_over_seeds(by_seed, draws, ours[0].blocks)
        known = all(run.frames_known for run in ours)
        return Difference(seeds, paired_interval(spread), frames_known=known, spread=spread)

    def power(self, variant: Seeds, baseline: Seeds, wished: float, score: str = MIOU) -> Power | None:
        """Return how many seeds a difference needs for an interval of a desired half-width.

        Args:
            variant: accuracies of the variant.
            baseline: accuracies of the baseline.
            wished: desired half-width in percentage points.
            score: score that is compared.

        Returns:
            The number of seeds; None if there is no interval.
        """
        pairs = self._pairs(variant, baseline)
        if isinstance(pairs, Difference):
            return None
        _, ours, theirs = pairs
        return seeds_needed(self._paired(ours, theirs, score)[1], ours[0].blocks, wished)

    def rank(self, runs: Sequence[Seeds], score: str = MIOU) -> list[Rank] | None:
        """Rank networks on the seeds that all have.

        Args:
            runs: accuracies of each network.
            score: score by which they are ranked.

        Returns:
            The ranks in the order of ``runs``. None if the networks have no seed in common, were tested on
            different images, or some records keep no matrices.
        """
        common = set.intersection(*(set(seeds) for seeds in runs)) if runs else set()
        if not common:
            return None
        self.prepare([seeds[seed] for seeds in runs for seed in common])
        known = [[self._known[seeds[seed]] for seed in _ordered(common)] for seeds in runs]
        found = [[run for run in group if isinstance(run, _Resampled)] for group in known]
        if found != known or len({(run.what, run.frames) for group in found for run in group}) > 1:
            return None
        spreads = []
        for group in found:
            scores = [run.scores[score] for run in group]
            by_seed, draws = np.array([s for s, _ in scores]), np.stack([d for _, d in scores], axis=1)
            spreads.append(spread_over_seeds(by_seed, draws, group[0].blocks))
        return rank_networks(spreads)

    def _pairs(
        self, variant: Seeds, baseline: Seeds
    ) -> Difference | tuple[tuple[int | None, ...], list[_Resampled], list[_Resampled]]:
        """Return the common seeds and the runs of each, or a difference that says why there is none."""
        seeds = _ordered(variant.keys() & baseline.keys())
        if not seeds:
            return Difference((), None, "no seed in common with the baseline")
        self.prepare([runs[seed] for seed in seeds for runs in (variant, baseline)])
        ours: list[_Resampled] = []
        theirs: list[_Resampled] = []
        for seed in seeds:
            pair = self._known[variant[seed]], self._known[baseline[seed]]
            for found, group in zip(pair, (ours, theirs), strict=True):
                if isinstance(found, str):
                    return Difference(seeds, None, f"no interval: {found}")
                group.append(found)
        for one, other in zip(ours, theirs, strict=True):
            if one.what != other.what:
                return Difference(seeds, None, "tested on other images than the baseline")
        if len({run.what for run in ours}) > 1:
            return Difference(seeds, None, "seeds tested on different images")
        if len({run.frames for run in (*ours, *theirs)}) > 1:
            return Difference(seeds, None, "records differ in which images belong together")
        return seeds, ours, theirs

    def _paired(
        self, ours: Sequence[_Resampled], theirs: Sequence[_Resampled], score: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the paired differences of a score for each seed, (S,), and with resampled images, (R, S)."""
        pairs = [(a.scores[score], b.scores[score]) for a, b in zip(ours, theirs, strict=True)]
        by_seed = np.array([a[0] - b[0] for a, b in pairs])
        return by_seed, np.stack([a[1] - b[1] for a, b in pairs], axis=1)


def _ordered(seeds: Iterable[int | None]) -> tuple[int | None, ...]:
    return tuple(sorted(seeds, key=lambda seed: -1 if seed is None else seed))
