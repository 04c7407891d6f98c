"""Cityscapes: the two numberings, the categories, train ids made from labelIds."""

from __future__ import annotations

import errno
from pathlib import Path

import cv2
import numpy as np
import pytest

import lednet_mm.register  # noqa: F401
from lednet_mm.datasets.check import check_dataset
from lednet_mm.datasets.cityscapes import TO_TRAIN_ID, Cityscapes, find_label_ids, write_train_ids
from lednet_mm.datasets.cityscapes_ids import LABEL_ID_OF_TRAIN_ID
from lednet_mm.errors import InputError
from tests.datasets.small_sets import make_cityscapes, write_png

SHARED = Path(__file__).resolve().parents[2].parent / "shared"

# (name, id, trainId, category) of the evaluated classes, from cityscapesScripts' helpers/labels.py.
PUBLISHED = [
    ("road", 7, 0, "flat"),
    ("sidewalk", 8, 1, "flat"),
    ("building", 11, 2, "construction"),
    ("wall", 12, 3, "construction"),
    ("fence", 13, 4, "construction"),
    ("pole", 17, 5, "object"),
    ("traffic light", 19, 6, "object"),
    ("traffic sign", 20, 7, "object"),
    ("vegetation", 21, 8, "nature"),
    ("terrain", 22, 9, "nature"),
    ("sky", 23, 10, "sky"),
    ("person", 24, 11, "human"),
    ("rider", 25, 12, "human"),
    ("car", 26, 13, "vehicle"),
    ("truck", 27, 14, "vehicle"),
    ("bus", 28, 15, "vehicle"),
    ("train", 31, 16, "vehicle"),
    ("motorcycle", 32, 17, "vehicle"),
    ("bicycle", 33, 18, "vehicle"),
]


def independent_train_ids(label_ids: np.ndarray) -> np.ndarray:
    table = {label_id: train_id for _, label_id, train_id, _ in PUBLISHED}
    return np.vectorize(lambda label_id: table.get(label_id, 255))(label_ids).astype(np.uint8)


def test_tables_are_the_published_ones() -> None:
    meta = Cityscapes.METAINFO
    assert meta["classes"] == tuple(name for name, *_ in PUBLISHED)
    for name, label_id, train_id, category in PUBLISHED:
        assert TO_TRAIN_ID[label_id] == train_id, name
        assert LABEL_ID_OF_TRAIN_ID[train_id] == label_id, name
        assert train_id in meta["categories"][category], name
    assert sorted(i for ids in meta["categories"].values() for i in ids) == list(range(19))
    assert len(meta["categories"]) == 7
    assert (TO_TRAIN_ID != 255).sum() == 19


def test_train_ids_are_written_once(tmp_path: Path) -> None:
    root = make_cityscapes(tmp_path)
    files = find_label_ids(root)
    assert len(files) == 8
    assert write_train_ids(files) == 8
    for path in files:
        made = path.with_name(path.name.replace("labelIds", "labelTrainIds"))
        expected = independent_train_ids(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
        np.testing.assert_array_equal(cv2.imread(str(made), cv2.IMREAD_UNCHANGED), expected)
    assert not list(root.rglob("*.part"))
    files[0].with_name(files[0].name.replace("labelIds", "labelTrainIds")).unlink()
    assert write_train_ids(find_label_ids(root)) == 1


@pytest.mark.parametrize("labels", ["gtFine", "gtCoarse"])
def test_fine_and_coarse_labels(tmp_path: Path, labels: str) -> None:
    root = make_cityscapes(tmp_path)
    write_train_ids(find_label_ids(root))
    pipeline = [{"type": "LoadImage"}, {"type": "LoadLabels"}]
    dataset = Cityscapes(data_root=str(root), split="val", labels=labels, pipeline=pipeline)
    assert len(dataset) == 2
    assert labels in dataset[0]["seg_map_path"]
    assert set(np.unique(dataset[0]["gt_seg_map"])) <= {*range(19), 255}


def test_without_train_ids_the_label_ids_are_translated(tmp_path: Path) -> None:
    root = make_cityscapes(tmp_path)
    settings = {"data_root": str(root), "pipeline": [{"type": "LoadImage"}, {"type": "LoadLabels"}]}
    few = {"classes": ("car", "road")}
    whole, part = Cityscapes(**settings), Cityscapes(**settings, metainfo=few)
    assert check_dataset(whole).problems == []
    translated, chosen = whole[0]["gt_seg_map"], part[0]["gt_seg_map"]
    assert "labelIds" in whole[0]["seg_map_path"]
    write_train_ids(find_label_ids(root))
    prepared = Cityscapes(**settings)
    assert "labelTrainIds" in prepared[0]["seg_map_path"]
    np.testing.assert_array_equal(prepared[0]["gt_seg_map"], translated)
    np.testing.assert_array_equal(Cityscapes(**settings, metainfo=few)[0]["gt_seg_map"], chosen)
    assert set(np.unique(chosen)) == {0, 1, 255}
    # A partly prepared set is not read by labelIds: the missing label is named.
    Path(prepared[0]["seg_map_path"]).unlink()
    assert "labelTrainIds" in check_dataset(Cityscapes(**settings)).problems[0]


def test_without_any_labels_the_reason_is_named(tmp_path: Path) -> None:
    root = make_cityscapes(tmp_path)
    for path in find_label_ids(root):
        path.rename(path.with_suffix(".json"))
    with pytest.raises(InputError, match=r"holds no \*_gtFine_labelTrainIds\.png, but 2 \*\.json"):
        Cityscapes(data_root=str(root))


def test_a_read_only_disk_needs_no_preparation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, data: bytes) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr("lednet_mm.datasets.cityscapes.write_atomically", refuse)
    with pytest.raises(InputError, match=r"Read-only file system.*it need not be"):
        write_train_ids(find_label_ids(make_cityscapes(tmp_path)))


def test_polygons_alone_are_not_enough(tmp_path: Path) -> None:
    folder = tmp_path / "gtFine/train/aachen"
    folder.mkdir(parents=True)
    (folder / "aachen_000000_000019_gtFine_polygons.json").write_text("{}")
    with pytest.raises(InputError, match="only polygons"):
        find_label_ids(tmp_path)
    with pytest.raises(InputError, match="neither gtFine nor gtCoarse"):
        find_label_ids(tmp_path / "gtFine")


def test_label_ids_out_of_range_are_named(tmp_path: Path) -> None:
    path = tmp_path / "gtFine/train/aachen/a_gtFine_labelIds.png"
    write_png(path, np.full((4, 4), 34, np.uint8))
    with pytest.raises(InputError, match="id 34 is not a Cityscapes labelId"):
        write_train_ids(find_label_ids(tmp_path))
    assert len(list(path.parent.iterdir())) == 1


@pytest.mark.skipif(not (SHARED / "data/cityscapes").is_dir(), reason="needs ../shared/data/cityscapes")
def test_real_labels(tmp_path: Path) -> None:
    source = next((SHARED / "data/cityscapes/gtFine/val").rglob("*_labelIds.png"))
    target = tmp_path / "gtFine/val/frankfurt" / source.name
    target.parent.mkdir(parents=True)
    target.write_bytes(source.read_bytes())
    write_train_ids(find_label_ids(tmp_path))
    ids = cv2.imread(str(source), cv2.IMREAD_UNCHANGED)[::8, ::8]
    made = cv2.imread(str(target).replace("labelIds", "labelTrainIds"), cv2.IMREAD_UNCHANGED)[::8, ::8]
    np.testing.assert_array_equal(made, independent_train_ids(ids))
