"""Differences between runs, and ranks of networks, from the confusion matrices in accuracy records."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np

from lednet_mm.datasets.frames import frames_of_names
from lednet_mm.evaluation.confusion import unpack
from lednet_mm.record_format import Record
from lednet_mm.statistics import (
    LEVEL,
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
    seeds_needed,
    single_images,
    spread_over_seeds,
)

MIOU = "miou_percent"
UNRESOLVED = "not resolved"


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


Load = Callable[[str], TestedImages]
Seeds = Mapping[int | None, str]
"""Seed -> name of the accuracy record."""


def read_images(record: Record) -> TestedImages:
    """Return the images of an accuracy record.

    Frames come from the record. For an older record they follow from the names of its images, if its config
    names a known dataset. Otherwise they are unknown.

    Raises:
        ValueError: the record keeps no matrices, no pixel has a label, or something is damaged.
    """
    details = record.details
    if "per_image_confusion" not in details:
        raise ValueError(f"{record.kind}-{record.id} keeps no confusion matrices")
    matrices = unpack(details["per_image_confusion"])
    if not matrices.any():
        raise ValueError("no labelled pixel")
    names = tuple(details.get("per_image_names", ()))
    found: Frames | None
    if "per_image_frames" in details:
        recorded = details["per_image_frames"]
        found = number_frames(recorded) if recorded else single_images(len(matrices))
    else:
        guessed = frames_of_names(record.config.text, names) if names else None
        found = None if guessed is None else number_frames(guessed)
    for what, known in (("names", names), ("frames", found)):
        if known and len(known) != len(matrices):
            raise ValueError(f"damaged record: {len(known)} {what} of {len(matrices)} images")
    return TestedImages(names, found, matrices)


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
        """What holds among all that are compared with one baseline, in words; None where it is not known."""
        if self.adjusted_p is None:
            return None
        return self.verdict if self.adjusted_p < 1 - LEVEL else UNRESOLVED

    @property
    def sampling(self) -> str:
        """How images were resampled, in words; empty without an interval."""
        if self.interval is None:
            return ""
        return f"{self.interval.blocks}{'' if self.frames_known else ', as nothing is known of sequences'}"


def adjust_family(family: Sequence[Difference]) -> list[Difference]:
    """Return differences to one baseline with p-values adjusted for how many they are."""
    adjusted = adjust_holm(np.array([p_value(d.spread) if d.spread else np.nan for d in family]))
    return [
        replace(difference, adjusted_p=None if np.isnan(p) else float(p))
        for difference, p in zip(family, adjusted, strict=True)
    ]


@dataclass(frozen=True)
class _Resampled:
    images: tuple[int, ...]  # hash of the names in order, and shape of the matrices
    frames: int  # index of Differences._frames
    frames_known: bool
    scores: Mapping[str, tuple[float, np.ndarray]]  # value of the score, and its resampled values (R,)


class Differences:
    """Computes differences between runs; every record is read and resampled only once.

    Args:
        load: function that returns the images of a record by name, and raises ValueError if it has none.
        scores: scores that will be compared, from :data:`lednet_mm.statistics.SCORES`.
    """

    def __init__(self, load: Load, scores: Sequence[str] = (MIOU,)) -> None:
        self._load = load
        self._scores = tuple(scores)
        self._known: dict[str, _Resampled | str] = {}
        self._blocks: dict[int, Blocks] = {}

    def prepare(self, names: Iterable[str]) -> None:
        """Read and resample records in parallel."""
        wanted = [name for name in dict.fromkeys(names) if name not in self._known]
        if not wanted:
            return
        # NumPy and zlib release the interpreter's lock.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            self._known.update(zip(wanted, pool.map(self._resample, wanted), strict=True))

    def _resample(self, name: str) -> _Resampled | str:
        try:
            tested = self._load(name)
        except ValueError as error:
            return str(error)
        matrices = tested.matrices
        frames = single_images(len(matrices)) if tested.frames is None else tested.frames
        key = hash(frames)
        self._blocks[key] = choose_blocks(frames)
        return _Resampled(
            (hash(tested.names), *matrices.shape),
            key,
            tested.frames is not None,
            resampled_scores(matrices, frames, self._scores),
        )

    def scores(self, name: str) -> dict[str, float] | None:
        """Return the scores of a record in percent; None if it keeps no matrices."""
        self.prepare([name])
        found = self._known[name]
        if isinstance(found, str):
            return None
        return {score: value for score, (value, _) in found.scores.items()}

    def between(self, variant: Seeds, baseline: Seeds, score: str = MIOU) -> Difference:
        """Return variant - baseline on the seeds that both have, with its interval.

        Args:
            variant: its accuracies.
            baseline: the same.
            score: what is compared, of those that were announced.
        """
        pairs = self._pairs(variant, baseline)
        if isinstance(pairs, Difference):
            return pairs
        seeds, ours, theirs = pairs
        by_seed, draws = self._paired(ours, theirs, score)
        spread = spread_over_seeds(by_seed, draws, self._blocks[ours[0].frames])
        known = all(run.frames_known for run in ours)
        return Difference(seeds, paired_interval(spread), frames_known=known, spread=spread)

    def power(self, variant: Seeds, baseline: Seeds, wished: float, score: str = MIOU) -> Power | None:
        """Say how many seeds a difference needs for an interval of a wished half-width, in percent points.

        Args:
            variant: its accuracies.
            baseline: the same.
            wished: half-width.
            score: what is compared.

        Returns:
            None where no interval can be taken.
        """
        pairs = self._pairs(variant, baseline)
        if isinstance(pairs, Difference):
            return None
        _, ours, theirs = pairs
        return seeds_needed(self._paired(ours, theirs, score)[1], self._blocks[ours[0].frames], wished)

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
        if found != known or len({(*run.images, run.frames) for group in found for run in group}) > 1:
            return None
        spreads = []
        for group in found:
            scores = [run.scores[score] for run in group]
            by_seed, draws = np.array([s for s, _ in scores]), np.stack([d for _, d in scores], axis=1)
            spreads.append(spread_over_seeds(by_seed, draws, self._blocks[group[0].frames]))
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
            if one.images != other.images:
                return Difference(seeds, None, "tested on other images than the baseline")
        if len({run.images for run in ours}) > 1:
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
