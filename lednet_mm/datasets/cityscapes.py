"""Cityscapes: its 19 evaluated classes and 7 categories, both kinds of ids, fine and coarse labels."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
from mmseg.datasets import CityscapesDataset
from mmseg.registry import DATASETS

from lednet_mm.datasets.base import SegDataset
from lednet_mm.datasets.cityscapes_ids import CATEGORIES, LABEL_ID_OF_TRAIN_ID
from lednet_mm.datasets.frames import SEQUENCES
from lednet_mm.datasets.loading import read_ids
from lednet_mm.errors import InputError
from lednet_mm.files import find_files, write_atomically

MAX_LABEL_ID = 33
LABEL_IDS, TRAIN_IDS = "labelIds.png", "labelTrainIds.png"
"""The endings of the names of both kinds of label files."""

TO_TRAIN_ID = np.full(256, 255, np.uint8)
"""Lookup table (256,) from labelId to train id; 255 for ids that are not evaluated."""
TO_TRAIN_ID[list(LABEL_ID_OF_TRAIN_ID)] = np.arange(19, dtype=np.uint8)


@DATASETS.register_module()
class Cityscapes(SegDataset):
    """Cityscapes in its standard layout, with train ids.

    Layout: ``leftImg8bit/<split>/<city>/*_leftImg8bit.png`` (2048x1024) and
    ``<labels>/<split>/<city>/*_<labels>_labelTrainIds.png``. If there are no such label files,
    ``*_<labels>_labelIds.png`` are read and their ids are translated, so that nothing has to be prepared.

    Paper: Cordts et al., The Cityscapes dataset for semantic urban scene understanding, CVPR 2016,
    https://github.com/mcordts/cityscapesScripts. Compared with mmseg's ``CityscapesDataset``, this class adds
    the categories, the coarse labels and errors that say what to do.

    The images of a city are one sequence, in the order of drive and frame, which
    :mod:`lednet_mm.datasets.frames` reads from the names.

    Args:
        data_root: folder of Cityscapes.
        split: ``train``, ``val``, ``test`` or (for coarse labels only) ``train_extra``.
        labels: ``gtFine`` or ``gtCoarse``.
        **kwargs: further arguments of mmseg's ``BaseSegDataset``, which replace those of the layout above
            (``img_suffix``, ``data_prefix``, ...).
    """

    METAINFO: ClassVar[dict] = {
        **CityscapesDataset.METAINFO,
        "categories": CATEGORIES,
    }
    seg_map_suffix: str
    FRAMES = SEQUENCES["Cityscapes"]
    HOW_TO_GET = "`ln -s /path/to/cityscapes data/cityscapes` (see docs/datasets.md)"

    def __init__(
        self,
        data_root: str = "data/cityscapes",
        split: str = "train",
        labels: str = "gtFine",
        **kwargs: Any,
    ) -> None:
        layout = {
            "data_prefix": {"img_path": f"leftImg8bit/{split}", "seg_map_path": f"{labels}/{split}"},
            "img_suffix": "_leftImg8bit.png",
            "seg_map_suffix": f"_{labels}_{TRAIN_IDS}",
        }
        super().__init__(layout, data_root=data_root, **kwargs)

    def load_data_list(self) -> list[dict[str, Any]]:
        """List the samples; labelIds are read if the folder has no labelTrainIds at all."""
        labels = self.data_prefix["seg_map_path"]
        if self.seg_map_suffix.endswith(TRAIN_IDS) and Path(labels).is_dir():
            published = self.seg_map_suffix.removesuffix(TRAIN_IDS) + LABEL_IDS
            if not find_files(labels, self.seg_map_suffix) and find_files(labels, published):
                self.seg_map_suffix = published
        if self.seg_map_suffix.endswith(LABEL_IDS):
            chosen = self.get_label_map(self.metainfo["classes"]) or {}
            train_ids = enumerate(TO_TRAIN_ID[: MAX_LABEL_ID + 1].tolist())
            self.label_map = {label_id: chosen.get(train_id, train_id) for label_id, train_id in train_ids}
        return super().load_data_list()

    def ids_in_files(self) -> tuple[int, ...]:
        """Return the labelId of each class, which the test server expects."""
        known = dict(zip(self.METAINFO["classes"], LABEL_ID_OF_TRAIN_ID, strict=True))
        return tuple(known[name] for name in self.metainfo["classes"])


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
    files = [path for folder in folders for path in find_files(folder, f"_{LABEL_IDS}")]
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
        The number of files written.

    Raises:
        InputError: a label is unreadable or holds an id above 33, or the folder cannot be written.
    """
    written = 0
    for path in label_files:
        target = path.with_name(path.name[: -len(LABEL_IDS)] + TRAIN_IDS)
        if target.exists():
            continue
        ids = read_ids(path)
        if ids.max() > MAX_LABEL_ID:
            raise InputError(
                f"{path}: id {ids.max()} is not a Cityscapes labelId (0 to {MAX_LABEL_ID}): restore the file"
            )
        try:
            write_atomically(target, cv2.imencode(".png", TO_TRAIN_ID[ids])[1].tobytes())
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
                raise
            raise InputError(
                f"{target} cannot be written ({error.strerror}): it need not be, as the Cityscapes dataset "
                "reads labelIds where there are no labelTrainIds; train with this folder as it is"
            ) from None
        written += 1
    return written
