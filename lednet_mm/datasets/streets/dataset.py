"""The generated street scenes as a dataset of MMSegmentation."""

from __future__ import annotations

from typing import Any

from mmseg.registry import DATASETS

from lednet_mm.datasets.cityscapes import Cityscapes
from lednet_mm.datasets.frames import SEQUENCES


@DATASETS.register_module()
class StreetsDataset(Cityscapes):
    """The generated street scenes, with the classes, ids and layout of Cityscapes.

    Args:
        data_root: folder that was given to :func:`~lednet_mm.datasets.streets.generation.generate_streets`.
        split: ``train`` or ``val``.
        **kwargs: further arguments of :class:`~lednet_mm.datasets.cityscapes.Cityscapes`.
    """

    FRAMES = SEQUENCES["StreetsDataset"]
    HOW_TO_GET = "`python tools/prepare_dataset.py streets`"

    def __init__(self, data_root: str = "data/streets", split: str = "train", **kwargs: Any) -> None:
        super().__init__(data_root=data_root, split=split, **kwargs)
