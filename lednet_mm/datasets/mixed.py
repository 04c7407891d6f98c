"""A training set in which a share of the images comes from a second one, such as generated images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.dataset import ConcatDataset
from mmseg.registry import DATASETS

from lednet_mm.datasets.reproducible import Draw, derive_seed
from lednet_mm.errors import InputError

PURPOSE = 0xADD  # keeps the choice of an image apart from its augmentation, which has the same seed


@DATASETS.register_module()
class MixedDataset(ConcatDataset):
    """All images of a first dataset, and as many draws from a second one as make up a share of both.

    Which image of the second dataset a draw takes follows from the draw's seed, so that all of its images
    occur in the course of a training, however many there are, and a resumed run sees the same ones.

    Args:
        datasets: the first and the second dataset, or their configs.
        share: share of the second dataset in an epoch, above 0 and below 1.
        kwargs: further arguments of mmengine's ``ConcatDataset``.

    Raises:
        InputError: there are not two datasets, the share is out of range, or the second dataset is empty.
    """

    def __init__(self, datasets: Sequence[Any], share: float, **kwargs: Any) -> None:
        if len(datasets) != 2 or not 0 < share < 1:
            raise InputError(
                f"MixedDataset: {len(datasets)} datasets and share={share}: give two, and a share between 0 "
                "and 1"
            )
        self.share = share
        super().__init__(datasets, **kwargs)

    def full_init(self) -> None:
        """List the images of both datasets."""
        super().full_init()
        if not len(self.datasets[1]):
            raise InputError("MixedDataset: the second dataset has no images")

    def __len__(self) -> int:
        first = len(self.datasets[0])
        return first + round(first * self.share / (1 - self.share))

    def __getitem__(self, index: int) -> Any:
        number, place = self.place_of(index)
        return self.datasets[number][place]

    def get_data_info(self, index: int) -> dict[str, Any]:
        """Return what is listed of a sample."""
        number, place = self.place_of(index)
        return self.datasets[number].get_data_info(place)

    def place_of(self, index: int) -> tuple[int, int]:
        """Return the number of a sample's dataset, and its index there, which keeps the seed of a draw."""
        first, second = map(len, self.datasets)
        if index < 0:
            index = len(self) + index
        if index < first:
            return 0, index
        seed = getattr(index, "seed", None)
        if seed is None:  # not drawn for a training
            return 1, (index - first) % second
        return 1, Draw(derive_seed(seed, PURPOSE) % second, seed)
