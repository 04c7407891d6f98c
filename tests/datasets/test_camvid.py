"""CamVid: layout, installing it, and what is said when it is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

import lednet_mm  # noqa: F401
from lednet_mm.datasets import CamVidDataset
from lednet_mm.datasets.camvid import install_camvid
from lednet_mm.errors import InputError
from tests.datasets.small_sets import make_camvid


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_splits_are_listed_in_order(tmp_path: Path, split: str) -> None:
    dataset = CamVidDataset(data_root=str(make_camvid(tmp_path / "camvid")), split=split)
    names = [Path(dataset.get_data_info(i)["img_path"]).name for i in range(len(dataset))]
    assert names == [f"{split}_{i:03d}.png" for i in range(4)]
    assert len(dataset.metainfo["classes"]) == len(dataset.metainfo["palette"]) == 11


def test_missing_folder_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere/train is missing: .*prepare_dataset\.py camvid"):
        CamVidDataset(data_root=str(tmp_path / "nowhere"))


def test_empty_folder_says_how_to_get_it(tmp_path: Path) -> None:
    root = make_camvid(tmp_path / "camvid")
    for path in (root / "valannot").iterdir():
        path.unlink()
    with pytest.raises(InputError, match=r"valannot holds no \*\.png"):
        CamVidDataset(data_root=str(root), split="val")


@pytest.mark.parametrize("copy", [False, True])
def test_install(tmp_path: Path, copy: bool) -> None:
    source, target = make_camvid(tmp_path / "source"), tmp_path / "data" / "camvid"
    install_camvid(source, target, copy=copy)
    assert target.is_symlink() is not copy
    assert len(CamVidDataset(data_root=str(target))) == 4
    assert [path.name for path in target.parent.iterdir()] == ["camvid"]
    with pytest.raises(InputError, match="exists already"):
        install_camvid(source, target)


def test_install_names_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    with pytest.raises(InputError, match="no folder trainannot, val, valannot, test, testannot"):
        install_camvid(tmp_path, tmp_path / "data")
