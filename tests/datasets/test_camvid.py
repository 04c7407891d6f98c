"""CamVid: its layout, its installation, and the message if it is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

import lednet_mm.register  # noqa: F401
from lednet_mm.datasets.camvid import SPLITS, CamVidDataset, differing_splits, install_camvid
from lednet_mm.errors import InputError
from tests.datasets.small_sets import make_camvid

REAL = Path(__file__).resolve().parents[2] / "data/camvid"


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


def test_what_a_config_says_takes_the_place_of_the_layout(tmp_path: Path) -> None:
    root = make_camvid(tmp_path / "camvid")
    (root / "labels").mkdir()
    for path in (root / "train").iterdir():
        label = root / "trainannot" / path.name
        label.rename(root / "labels" / f"{path.stem}_ids.PNG")
        path.rename(path.with_suffix(".bmp"))
    settings = {"img_suffix": ".bmp", "seg_map_suffix": "_ids.png", "data_prefix": {"seg_map_path": "labels"}}
    dataset = CamVidDataset(data_root=str(root), lazy_init=True, **settings)
    assert dataset.get_data_info(0)["seg_map_path"] == str(root / "labels/train_000_ids.PNG")
    with pytest.raises(InputError, match=r"holds no \*\.jpg, but 4 \*\.bmp"):
        CamVidDataset(data_root=str(root), img_suffix=".jpg")
    (root / "train/train_000.BMP").write_bytes(b"")
    with pytest.raises(InputError, match="letter case"):
        CamVidDataset(data_root=str(root), **settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"reduce_zero_label": True}, "would drop the class 'sky'"),
        ({"ignore_index": 0}, "ignore_index=0"),
        ({"metainfo": {"classes": ("sky", "submarine")}}, "submarine"),
        ({"ann_file": "nowhere.txt"}, "nowhere.txt cannot be read"),
    ],
)
def test_settings_that_do_not_fit(tmp_path: Path, settings: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        CamVidDataset(data_root=str(make_camvid(tmp_path)), **settings)


@pytest.mark.parametrize("name", ["../secret/image", "train/../../image", "/etc/image"])
def test_a_list_names_files_of_the_dataset_alone(tmp_path: Path, name: str) -> None:
    root = make_camvid(tmp_path / "camvid")
    (tmp_path / "list.txt").write_text(f"train_001\n{name}\n")
    with pytest.raises(InputError, match=f"{name} leads out of the dataset's folder"):
        CamVidDataset(data_root=str(root), ann_file=str(tmp_path / "list.txt"))


def test_other_pixels_than_the_published_ones_are_noticed(tmp_path: Path) -> None:
    folders = [name for split in SPLITS for name in (split, f"{split}annot")]
    assert differing_splits(make_camvid(tmp_path)) == folders


@pytest.mark.thorough
@pytest.mark.skipif(not REAL.is_dir(), reason="needs data/camvid")
def test_the_published_pixels_are_known() -> None:
    assert differing_splits(REAL) == []


def test_install_names_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    with pytest.raises(InputError, match="no folder trainannot, val, valannot, test, testannot"):
        install_camvid(tmp_path, tmp_path / "data")
