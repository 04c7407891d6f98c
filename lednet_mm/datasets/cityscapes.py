"""Cityscapes: its 19 evaluated classes, 7 categories, both numberings, fine and coarse labels."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
from mmseg.datasets import CityscapesDataset
from mmseg.registry import DATASETS

from lednet_mm.datasets.base import SegDataset
from lednet_mm.datasets.loading import read_ids
from lednet_mm.errors import InputError
from lednet_mm.files import find_files

LABEL_ID_OF_TRAIN_ID = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""Cityscapes' labelId of each train id (``helpers/labels.py`` of cityscapesScripts)."""

MAX_LABEL_ID = 33

TO_TRAIN_ID = np.full(256, 255, np.uint8)
"""Lookup table (256,) from labelId to train id; 255 for what is not evaluated."""
TO_TRAIN_ID[list(LABEL_ID_OF_TRAIN_ID)] = np.arange(19, dtype=np.uint8)

TO_LABEL_ID = np.zeros(256, np.uint8)
"""Lookup table (256,) from train id to labelId; 0 (unlabelled) for what is no train id."""
TO_LABEL_ID[:19] = LABEL_ID_OF_TRAIN_ID


@DATASETS.register_module()
class Cityscapes(SegDataset):
    """Cityscapes in its standard layout, by train ids.

    Layout: ``leftImg8bit/<split>/<city>/*_leftImg8bit.png`` (2048x1024) and
    ``<labels>/<split>/<city>/*_<labels>_labelTrainIds.png``.

    Paper: Cordts et al., The Cityscapes dataset for semantic urban scene understanding, CVPR 2016,
    https://github.com/mcordts/cityscapesScripts. mmseg has ``CityscapesDataset``; this one adds the
    categories, the coarse labels and errors that say what to do.

    Args:
        data_root: the folder of Cityscapes.
        split: ``train``, ``val``, ``test`` or (coarse labels only) ``train_extra``.
        labels: ``gtFine`` or ``gtCoarse``.
        **kwargs: as in mmseg's ``BaseSegDataset``.
    """

    METAINFO: ClassVar[dict] = {
        **CityscapesDataset.METAINFO,
        "categories": {
            "flat": [0, 1],
            "construction": [2, 3, 4],
            "object": [5, 6, 7],
            "nature": [8, 9],
            "sky": [10],
            "human": [11, 12],
            "vehicle": [13, 14, 15, 16, 17, 18],
        },
    }
    HOW_TO_GET = (
        "`ln -s /path/to/cityscapes data/cityscapes`, then (for the labelTrainIds) "
        "`python tools/prepare_dataset.py cityscapes`"
    )

    def __init__(
        self,
        data_root: str = "data/cityscapes",
        split: str = "train",
        labels: str = "gtFine",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            data_root=data_root,
            data_prefix={"img_path": f"leftImg8bit/{split}", "seg_map_path": f"{labels}/{split}"},
            img_suffix="_leftImg8bit.png",
            seg_map_suffix=f"_{labels}_labelTrainIds.png",
            **kwargs,
        )


def find_label_ids(root: Path) -> list[Path]:
    """List the ``*_labelIds.png`` of ``gtFine`` and ``gtCoarse`` below ``root``, sorted.

    Raises:
        InputError: there are none.
    """
    folders = [root / name for name in ("gtFine", "gtCoarse") if (root / name).is_dir()]
    if not folders:
        raise InputError(
            f"{root} holds neither gtFine nor gtCoarse: give Cityscapes' folder, or link it there"
        )
    files = [path for folder in folders for path in find_files(folder, "_labelIds.png")]
    if not files and any(find_files(folder, "_polygons.json") for folder in folders):
        raise InputError(
            f"{root} holds only polygons: unpack the *_labelIds.png of gtFine_trainvaltest.zip beside them"
        )
    if not files:
        raise InputError(f"{root} holds no *_labelIds.png: unpack gtFine_trainvaltest.zip there")
    return files


def write_train_ids(label_files: Iterable[Path]) -> int:
    """Write ``*_labelTrainIds.png`` beside each ``*_labelIds.png`` that has none yet.

    Args:
        label_files: paths of ``*_labelIds.png``.

    Returns:
        How many files were written.

    Raises:
        InputError: a label is unreadable or holds an id above 33.
    """
    written = 0
    for path in label_files:
        target = path.with_name(path.name.replace("_labelIds.png", "_labelTrainIds.png"))
        if target.exists():
            continue
        ids = read_ids(path)
        if ids.max() > MAX_LABEL_ID:
            raise InputError(
                f"{path}: id {ids.max()} is no Cityscapes labelId (0 to {MAX_LABEL_ID}): restore the file"
            )
        part = target.with_suffix(".part")
        part.write_bytes(cv2.imencode(".png", TO_TRAIN_ID[ids])[1].tobytes())
        part.replace(target)
        written += 1
    return written
