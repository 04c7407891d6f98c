"""Differences of mIoU between runs, from the confusion matrices that their accuracy records keep."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from lednet_mm.studies.statistics import Interval, paired_interval, resampled_miou

CHUNK = 8
"""As many records are resampled together: quicker than one by one, and still little memory."""

Load = Callable[[str], tuple[tuple[str, ...], np.ndarray]]


@dataclass(frozen=True)
class Difference:
    """A difference to a baseline.

    Attributes:
        seeds: that both have.
        interval: in percent points; None where it cannot be taken.
        reason: why not, in words.
    """

    seeds: tuple[int | None, ...]
    interval: Interval | None
    reason: str = ""

    @property
    def verdict(self) -> str:
        """What the interval says, in words."""
        if self.interval is None:
            return self.reason
        if not self.interval.resolved:
            return "not resolved"
        sign = "better" if self.interval.low > 0 else "worse"
        return sign if len(self.seeds) > 1 else f"{sign} (one seed)"


@dataclass(frozen=True)
class _Resampled:
    images: tuple[int, ...]  # hash of their names in order, and the shape of their matrices
    miou: float
    draws: np.ndarray  # (R,)


class Differences:
    """Takes differences; every record is read and resampled once.

    Args:
        load: record name -> image names and confusion matrices (I, C, P); ValueError where there are none.
    """

    def __init__(self, load: Load) -> None:
        self._load = load
        self._known: dict[str, _Resampled | str] = {}

    def prepare(self, names: Iterable[str]) -> None:
        """Read and resample records, several at once."""
        wanted = [name for name in dict.fromkeys(names) if name not in self._known]
        chunks = [wanted[i : i + CHUNK] for i in range(0, len(wanted), CHUNK)]
        # NumPy and zlib work outside the interpreter's lock.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for found in pool.map(self._resample, chunks):
                self._known.update(found)

    def _resample(self, names: Iterable[str]) -> dict[str, _Resampled | str]:
        found: dict[str, _Resampled | str] = {}
        alike: dict[tuple, list[tuple[str, int, np.ndarray]]] = {}
        for name in names:
            try:
                images, matrices = self._load(name)
            except ValueError as error:
                found[name] = str(error)
            else:
                alike.setdefault(matrices.shape, []).append((name, hash(images), matrices))
        for runs in alike.values():
            miou, draws = resampled_miou(np.stack([matrices for _, _, matrices in runs]))
            for i, (name, digest, _) in enumerate(runs):
                found[name] = _Resampled((digest, *runs[0][2].shape), float(miou[i]), draws[:, i].copy())
        return found

    def between(self, variant: Mapping[int | None, str], baseline: Mapping[int | None, str]) -> Difference:
        """Return variant - baseline on the seeds that both have.

        Args:
            variant: seed -> name of the accuracy record.
            baseline: the same.
        """
        seeds = tuple(sorted(variant.keys() & baseline.keys(), key=lambda seed: -1 if seed is None else seed))
        if not seeds:
            return Difference((), None, "no seed in common with the baseline")
        self.prepare([runs[seed] for seed in seeds for runs in (variant, baseline)])
        by_seed, draws = [], []
        for seed in seeds:
            ours, theirs = self._known[variant[seed]], self._known[baseline[seed]]
            for found in (ours, theirs):
                if isinstance(found, str):
                    return Difference(seeds, None, f"no interval: {found}")
            assert isinstance(ours, _Resampled)
            assert isinstance(theirs, _Resampled)
            if ours.images != theirs.images:
                return Difference(seeds, None, "tested on other images than the baseline")
            by_seed.append(ours.miou - theirs.miou)
            draws.append(ours.draws - theirs.draws)
        return Difference(seeds, paired_interval(np.array(by_seed), np.stack(draws, axis=1)))
