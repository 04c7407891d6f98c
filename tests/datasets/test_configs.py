"""The dataset files of configs/ build and give what a network expects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmseg.registry import DATASETS

import lednet_mm.register  # noqa: F401
from lednet_mm.datasets.cityscapes import find_label_ids, write_train_ids
from lednet_mm.datasets.streets import generate_streets
from tests.datasets.small_sets import make_camvid, make_cityscapes

CONFIGS = Path(__file__).resolve().parents[2] / "configs/_base_/datasets"


def make(name: str, root: Path) -> None:
    if name == "camvid":
        make_camvid(root)
    elif name == "streets":
        generate_streets(root, train=2, val=1, size=(64, 128))
    else:
        make_cityscapes(root)
        write_train_ids(find_label_ids(root))


@pytest.mark.parametrize(
    ("name", "val_size", "label_size"),
    [
        ("camvid", (24, 32), (24, 32)),
        ("streets", (64, 128), (64, 128)),
        ("cityscapes", (512, 1024), (24, 32)),
    ],
)
def test_samples(tmp_path: Path, name: str, val_size: tuple, label_size: tuple) -> None:
    config = Config.fromfile(CONFIGS / f"{name}.py")
    make(name, tmp_path)
    assert len(config.class_weight) == config.num_classes
    assert "model" not in config
    for split in ("train", "val", "test"):
        dataset = DATASETS.build({**config[f"{split}_dataloader"].dataset, "data_root": str(tmp_path)})
        assert len(dataset.metainfo["classes"]) == config.num_classes
        for i in range(len(dataset)):
            np.random.seed(i)
            sample = dataset[i]
            labels = sample["data_samples"].gt_sem_seg.data
            image_size = tuple(config.crop_size) if split == "train" else val_size
            assert sample["inputs"].shape == (3, *image_size)
            assert labels.shape == (1, *(image_size if split == "train" else label_size))
            assert set(labels.unique().tolist()) <= {*range(config.num_classes), 255}
