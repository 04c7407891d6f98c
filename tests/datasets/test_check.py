"""The check finds everything at once, and counts right."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.dataset import ConcatDataset

import lednet_mm  # noqa: F401
from lednet_mm.datasets import CamVidDataset
from lednet_mm.datasets.check import check_dataset, class_weights
from lednet_mm.errors import InputError
from tests.datasets.small_sets import HEIGHT, WIDTH, make_camvid, write_png


def config(root: Path, split: str = "train") -> dict:
    return {"type": "CamVidDataset", "data_root": str(root), "split": split}


def test_a_whole_set(tmp_path: Path) -> None:
    root = make_camvid(tmp_path)
    summary = check_dataset(config(root))
    assert summary.problems == []
    assert (summary.images, summary.decoded) == (4, 4)
    assert summary.image_sizes == {(HEIGHT, WIDTH): 4}
    ids = np.concatenate([cv2.imread(str(p), -1).ravel() for p in sorted((root / "trainannot").iterdir())])
    assert summary.class_pixels.dtype == np.int64
    assert summary.class_pixels.tolist() == [int((ids == i).sum()) for i in range(11)]
    assert summary.ignored_pixels == (ids == 11).sum()
    files = sorted([*(root / "train").iterdir(), *(root / "trainannot").iterdir()])
    text = "".join(
        f"{p.relative_to(root)} {hashlib.sha256(p.read_bytes()).hexdigest()}\n" for p in sorted(files)
    )
    lines = "".join(sorted(text.splitlines(keepends=True)))
    assert summary.fingerprint == "content:" + hashlib.sha256(lines.encode()).hexdigest()
    json.dumps(summary.as_dict())


def test_all_problems_are_collected(tmp_path: Path) -> None:
    root = make_camvid(tmp_path, images=8)
    annot = root / "trainannot"
    (annot / "train_000.png").unlink()
    (root / "train/train_001.png").unlink()
    (root / "train/train_002.png").write_bytes(b"")
    (annot / "train_003.png").write_bytes((annot / "train_003.png").read_bytes()[:80])
    write_png(annot / "train_004.png", np.zeros((HEIGHT, WIDTH + 2), np.uint8))
    write_png(annot / "train_005.png", np.full((HEIGHT, WIDTH), 77, np.uint8))
    summary = check_dataset(config(root))
    wording = ("has no label", "has no image", "empty", "unreadable", "34x24", "[77]")
    assert len(summary.problems) == 6
    for number, words in enumerate(wording):
        line = next(line for line in summary.problems if f"train_00{number}.png" in line)
        assert words in line
        assert "\n" not in line
    assert (summary.images, summary.decoded) == (7, 2)


def test_quick_form_compares_names_and_decodes_a_sample(tmp_path: Path) -> None:
    root = make_camvid(tmp_path, images=30)
    whole = check_dataset(config(root), quick=True)
    assert (whole.images, whole.decoded, whole.problems) == (30, 8, [])
    assert whole.fingerprint.startswith("sizes:")
    (root / "trainannot/train_013.png").unlink()
    broken = check_dataset(config(root), quick=True)
    assert ["train_013" in line for line in broken.problems] == [True]
    assert broken.fingerprint != whole.fingerprint


def test_fingerprint_follows_names_and_contents_not_the_place(tmp_path: Path) -> None:
    first, second = make_camvid(tmp_path / "a"), make_camvid(tmp_path / "b")
    assert check_dataset(config(first)).fingerprint == check_dataset(config(second)).fingerprint
    path = second / "trainannot/train_002.png"
    ids = cv2.imread(str(path), -1)
    ids[0, 0] = (ids[0, 0] + 1) % 11
    write_png(path, ids)
    assert check_dataset(config(first)).fingerprint != check_dataset(config(second)).fingerprint


def test_several_datasets_as_one(tmp_path: Path) -> None:
    root = make_camvid(tmp_path)
    members = [CamVidDataset(data_root=str(root), split=split) for split in ("train", "val")]
    summary = check_dataset(ConcatDataset(members))
    parts = [check_dataset(member) for member in members]
    assert summary.images == 8
    np.testing.assert_array_equal(summary.class_pixels, parts[0].class_pixels + parts[1].class_pixels)


def test_absent_classes_are_named(tmp_path: Path) -> None:
    root = make_camvid(tmp_path, images=1)
    write_png(root / "trainannot/train_000.png", np.full((HEIGHT, WIDTH), 3, np.uint8))
    assert len(check_dataset(config(root)).absent_classes) == 10


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is missing"):
        check_dataset(config(tmp_path / "nowhere"), quick=True)


def test_class_weights_follow_enets_rule() -> None:
    assert class_weights([1, 0]) == [round(1 / np.log(2.02), 4), round(1 / np.log(1.02), 4)]
