"""Make the order and augmentation of data depend only on the seed and the position in the training.

A run that was interrupted and resumed must see the same images with the same augmentation as one that never
stopped, whatever the number of loader processes. So the sampler gives every draw a seed of its own, and the
first transform of the pipeline sets the random generators to it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sized

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.dist import get_dist_info, sync_random_seed
from mmengine.registry import DATA_SAMPLERS
from mmseg.registry import TRANSFORMS
from torch.utils.data import Sampler


def derive_seed(*numbers: int) -> int:
    """Hash numbers, such as a seed and a position, to an independent 32-bit seed."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


class Draw(int):
    """An index into a dataset that carries the seed of this draw.

    The index arithmetic of dataset wrappers (concatenation, repetition) keeps the seed.
    """

    seed: int

    def __new__(cls, index: int, seed: int = 0) -> Draw:
        """Make the index and attach the seed; ``__init__`` would be too late, as an ``int`` is immutable."""
        draw = super().__new__(cls, index)
        draw.seed = seed
        return draw

    def __sub__(self, other: int) -> Draw:
        return Draw(int(self) - int(other), self.seed)

    def __mod__(self, other: int) -> Draw:
        return Draw(int(self) % int(other), self.seed)


@DATA_SAMPLERS.register_module()
class ReproducibleSampler(Sampler):
    """Endless shuffled draws, one permutation after another, each draw with its own seed.

    It is made for mmengine's ``IterBasedTrainLoop``, which calls :meth:`skip` on resume.

    Args:
        dataset: the dataset, of which only the length is used.
        seed: seed of the order and of all draws; None draws a random one that all ranks share.
    """

    def __init__(self, dataset: Sized, seed: int | None = None) -> None:
        self.rank, self.world_size = get_dist_info()
        self.size = len(dataset)
        self.seed = sync_random_seed() if seed is None else seed
        self.first = 0

    def __len__(self) -> int:
        return -(-self.size // self.world_size)

    def __iter__(self) -> Iterator[Draw]:
        position = self.first * self.world_size + self.rank
        epoch, order = -1, np.empty(0, dtype=np.int64)
        while True:
            if position // self.size != epoch:
                epoch = position // self.size
                order = np.random.default_rng([self.seed, epoch]).permutation(self.size)
            yield Draw(int(order[position % self.size]), derive_seed(self.seed, position))
            position += self.world_size

    def skip(self, num_samples: int) -> None:
        """Start after the first ``num_samples`` draws of this rank."""
        self.first = num_samples

    def set_epoch(self, epoch: int) -> None:
        """Do nothing, because the order is a function of the position."""


@TRANSFORMS.register_module()
class SeedAugmentation(BaseTransform):
    """Seed all random generators with the seed of the draw; the first transform of a training pipeline.

    Samples that were not drawn by :class:`ReproducibleSampler` leave the random state unchanged.
    """

    def transform(self, results: dict) -> dict:
        """Seed Python's and numpy's generators, which all augmentations draw from."""
        seed = getattr(results.get("sample_idx"), "seed", None)
        if seed is not None:
            random.seed(seed)
            np.random.seed(seed)
        return results


def seed_iteration(seed: int, iteration: int, rank: int) -> None:
    """Seed PyTorch, whose generator dropout uses, for one training iteration of one rank."""
    torch.manual_seed(derive_seed(seed, iteration, rank))
