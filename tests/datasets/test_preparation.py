"""The ids that a dataset's own label files have are found without its files, and drawn as such."""

import lednet_mm.register  # noqa: F401

# isort: split
import numpy as np
import pytest
from mmengine.registry import DefaultScope

from lednet_mm.config import Choice, innermost, load_config
from lednet_mm.datasets.preparation import classes_of
from lednet_mm.evaluation.rendering import ids_picture


@pytest.mark.parametrize(
    ("dataset", "first", "last"),
    [("cityscapes", 7, 33), ("streets", 7, 33), ("ade20k", 1, 150), ("camvid", None, None)],
)
def test_own_ids_of_our_datasets(dataset, first, last):
    config = load_config(Choice("lednet", dataset))
    (settings,) = innermost(config.val_dataloader.dataset)
    with DefaultScope.overwrite_default_scope("mmseg"):
        found = classes_of(settings, 7)
    assert (found.own_ids or [None])[0] == first
    assert (found.own_ids or [None])[-1] == last
    assert found.own_ids is None or len(found.own_ids) == len(found.names)


@pytest.mark.parametrize(
    ("kind", "first", "last"),
    [("CityscapesDataset", 7, 33), ("ADE20KDataset", 1, 150), ("LoveDADataset", 1, 7)],
)
def test_own_ids_of_mmsegmentations_datasets(kind, first, last):
    with DefaultScope.overwrite_default_scope("mmseg"):
        found = classes_of({"type": kind, "data_root": "nowhere", "pipeline": []}, 7)
    assert (found.own_ids[0], found.own_ids[-1]) == (first, last)


def test_pictures_of_ids():
    ids = np.array([[0, 1], [2, 0]], np.uint8)
    assert ids_picture(ids, None) is ids
    eight, sixteen = ids_picture(ids, (7, 255, 8)), ids_picture(ids, (7, 300, 8))
    assert (eight.dtype, sixteen.dtype) == (np.uint8, np.uint16)
    assert eight.tolist() == [[7, 255], [8, 7]]
    assert sixteen.tolist() == [[7, 300], [8, 7]]
