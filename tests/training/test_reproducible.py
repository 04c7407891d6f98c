"""The order and augmentation of data depend only on the seed and the position."""

import pickle
import random

import numpy as np
import pytest
from torch.utils.data import ConcatDataset, DataLoader

from lednet_mm.datasets.reproducible import Draw, ReproducibleSampler, SeedAugmentation


def take(sampler, n):
    iterator = iter(sampler)
    return [next(iterator) for _ in range(n)]


def test_every_pass_draws_every_sample_once_in_another_order():
    draws = take(ReproducibleSampler(range(10), seed=3), 30)
    passes = [draws[i : i + 10] for i in (0, 10, 20)]
    assert all(sorted(p) == list(range(10)) for p in passes)
    assert passes[0] != passes[1]
    assert len({draw.seed for draw in draws}) == 30


def test_skipping_is_as_if_drawn():
    drawn = take(ReproducibleSampler(range(7), seed=1), 25)
    sampler = ReproducibleSampler(range(7), seed=1)
    sampler.skip(17)
    skipped = take(sampler, 8)
    assert [(d, d.seed) for d in skipped] == [(d, d.seed) for d in drawn[17:]]


def test_ranks_share_the_stream(monkeypatch):
    whole = take(ReproducibleSampler(range(9), seed=2), 20)
    parts = []
    for rank in (0, 1):
        monkeypatch.setattr("lednet_mm.datasets.reproducible.get_dist_info", lambda rank=rank: (rank, 2))
        parts.append(take(ReproducibleSampler(range(9), seed=2), 10))
    assert [draw.seed for pair in zip(*parts, strict=True) for draw in pair] == [draw.seed for draw in whole]


def test_a_draw_keeps_its_seed_through_wrappers_and_processes():
    draw = Draw(12, seed=99)
    assert (draw - 10, (draw - 10).seed) == (2, 99)
    assert (draw % 5, (draw % 5).seed) == (2, 99)
    again = pickle.loads(pickle.dumps(draw))
    assert (again, again.seed) == (12, 99)


class Augmented:
    """A dataset in which each sample is a random number drawn after seeding."""

    def __init__(self, size):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        SeedAugmentation()({"sample_idx": index})
        return int(index), random.random(), float(np.random.rand())


@pytest.mark.parametrize("workers", [1, 2])
def test_augmentation_is_the_same_with_any_number_of_processes(workers):
    dataset = ConcatDataset([Augmented(5), Augmented(6)])

    def batches(num_workers):
        loader = DataLoader(dataset, 4, sampler=ReproducibleSampler(dataset, seed=7), num_workers=num_workers)
        iterator = iter(loader)
        return [[value.tolist() for value in next(iterator)] for _ in range(4)]

    assert batches(workers) == batches(0)
