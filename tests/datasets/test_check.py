"""The check finds all problems in one run, and its counts are right."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.dataset import ConcatDataset
from mmseg.registry import DATASETS

import lednet_mm.register  # noqa: F401
from lednet_mm.datasets.camvid import CamVidDataset
from lednet_mm.datasets.check import check_dataset, class_weights, fingerprint
from lednet_mm.errors import InputError
from tests.datasets.small_sets import HEIGHT, WIDTH, make_camvid, write_png

LOAD = [{"type": "LoadImage"}, {"type": "LoadLabels"}]


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
    assert summary.content == "content:" + hashlib.sha256(lines.encode()).hexdigest()
    sizes = "".join(sorted(f"{p.relative_to(root)} {p.stat().st_size}\n" for p in files))
    assert summary.fingerprint == "sizes:" + hashlib.sha256(sizes.encode()).hexdigest()
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
    assert whole.fingerprint == check_dataset(config(root)).fingerprint == fingerprint(config(root))
    assert whole.content is None
    (root / "trainannot/train_013.png").unlink()
    broken = check_dataset(config(root), quick=True)
    assert ["train_013" in line for line in broken.problems] == [True]
    assert broken.fingerprint != whole.fingerprint


def test_fingerprint_follows_names_and_contents_not_the_place(tmp_path: Path) -> None:
    first, second = make_camvid(tmp_path / "a"), make_camvid(tmp_path / "b")
    assert check_dataset(config(first)).content == check_dataset(config(second)).content
    assert fingerprint(config(first)) == fingerprint(config(second))
    path = second / "trainannot/train_002.png"
    ids = cv2.imread(str(path), -1)
    ids[0, 0] = (ids[0, 0] + 1) % 11
    write_png(path, ids)
    assert check_dataset(config(first)).content != check_dataset(config(second)).content
    path.unlink()
    assert fingerprint(config(first)) != fingerprint(config(second))


def test_several_datasets_as_one(tmp_path: Path) -> None:
    root = make_camvid(tmp_path)
    members = [CamVidDataset(data_root=str(root), split=split) for split in ("train", "val")]
    summary = check_dataset(ConcatDataset(members))
    parts = [check_dataset(member) for member in members]
    assert summary.images == 8
    np.testing.assert_array_equal(summary.class_pixels, parts[0].class_pixels + parts[1].class_pixels)


WRAPPERS = {
    "RepeatDataset": {"times": 3},
    "ClassBalancedDataset": {"oversample_thr": 0.1},
    "MultiImageMixDataset": {"pipeline": [{"type": "PackSegInputs"}]},
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_wrappers_are_looked_through(tmp_path: Path, wrapper: str) -> None:
    root = make_camvid(tmp_path)
    pipeline = [{"type": "LoadImage"}, {"type": "LoadLabels"}]
    wrapped = {"type": wrapper, "dataset": {**config(root), "pipeline": pipeline}, **WRAPPERS[wrapper]}
    plain = check_dataset(config(root))
    for summary in (check_dataset(wrapped), check_dataset({"type": "ConcatDataset", "datasets": [wrapped]})):
        assert (summary.images, summary.fingerprint) == (plain.images, plain.fingerprint)
        assert summary.problems == []
    (root / "trainannot/train_002.png").unlink()
    if wrapper != "ClassBalancedDataset":  # which reads all labels itself
        assert "train_002" in check_dataset(wrapped, quick=True).problems[0]
    else:
        with pytest.raises(InputError, match="train_002"):
            check_dataset(wrapped)


def test_a_part_of_a_dataset_is_no_fault(tmp_path: Path) -> None:
    root = make_camvid(tmp_path)
    first = check_dataset({**config(root), "indices": 2})
    assert (first.images, first.problems) == (2, [])
    (tmp_path / "list.txt").write_text("train_003\n\ntrain_001.png\n")
    (root / "train/train_000.png").unlink()
    listed = {**config(root), "ann_file": "list.txt"}
    assert (check_dataset(listed).images, check_dataset(listed).problems) == (2, [])
    dataset = DATASETS.build(listed)
    assert [Path(dataset.get_data_info(i)["img_path"]).name for i in range(2)] == [
        "train_003.png",
        "train_001.png",
    ]
    assert len({fingerprint(d) for d in (config(root), {**config(root), "indices": 2}, listed)}) == 3
    (tmp_path / "list.txt").write_text("train_003\ntrain_000\n")
    (line,) = check_dataset(listed, quick=True).problems
    assert "train_000.png is missing" in line
    for content in (b"", b"\xff\xfe\x00"):
        (tmp_path / "list.txt").write_bytes(content)
        with pytest.raises(InputError, match=r"list of images .*list\.txt"):
            check_dataset(listed)


def test_labels_that_teach_nothing_are_warned_of(tmp_path: Path) -> None:
    root = make_camvid(tmp_path)
    assert check_dataset(config(root)).warnings == []
    half = np.zeros((HEIGHT, WIDTH), np.uint8)
    half[:, : WIDTH * 3 // 4] = 255
    for path in (root / "trainannot").iterdir():
        write_png(path, half)
    summary = check_dataset(config(root), quick=True)
    assert (summary.ignored_share, summary.class_shares["sky"]) == (0.75, 1)
    ignored, single = summary.warnings
    assert "75% of the pixels are 255" in ignored
    assert "'sky' is the only one of 11 classes" in single
    for path in (root / "trainannot").iterdir():
        write_png(path, np.full_like(half, 255))
    assert ["no pixel has a class" in line for line in check_dataset(config(root)).warnings] == [True]


def test_a_link_that_leads_in_a_circle_does_no_harm(tmp_path: Path) -> None:
    root = make_camvid(tmp_path)
    (root / "train/again").symlink_to(root / "train")
    assert check_dataset(config(root)).images == 4


def test_absent_classes_are_named(tmp_path: Path) -> None:
    root = make_camvid(tmp_path, images=1)
    write_png(root / "trainannot/train_000.png", np.full((HEIGHT, WIDTH), 3, np.uint8))
    assert len(check_dataset(config(root)).absent_classes) == 10


def test_settings_that_do_not_fit_are_one_line(tmp_path: Path) -> None:
    root = make_camvid(tmp_path)
    colours = {"classes": tuple(f"class {i}" for i in range(90)), "palette": [[1, 2, 3]]}
    for kind, more in (
        ("BaseSegDataset", {"metainfo": colours}),
        ("CamVidDataset", {"metainfo": {"palette": [[1, 2, 3]] * 10}}),
        ("BaseSegDataset", {"metainfo": colours, "no_such_setting": 1}),
        ("BaseSegDataset", {"lazy_init": False, "ann_file": 3}),
        ("NoSuchDataset", {}),
    ):
        with pytest.raises(InputError) as caught:
            check_dataset({"type": kind, "data_root": str(root), **more}, quick=True)
        line = str(caught.value)
        assert line.startswith(f"{kind}: ")
        assert "\n" not in line
        assert len(line) < 400


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    root = make_camvid(tmp_path)
    for folder in ("train", "trainannot"):
        (root / folder / "train_002.png").rename(root / folder / os.fsdecode(b"t\xff.png"))
    cached = {**config(root), "cache_dir": str(tmp_path / "cache"), "pipeline": LOAD}
    assert (check_dataset(cached).images, check_dataset(cached).problems) == (4, [])
    dataset = DATASETS.build(cached)
    for index in range(4):
        np.testing.assert_array_equal(dataset[index]["img"], dataset[index]["img"])
    (root / "trainannot" / os.fsdecode(b"t\xff.png")).write_bytes(b"")
    (line,) = check_dataset(config(root)).problems
    assert "empty" in line


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is missing"):
        check_dataset(config(tmp_path / "nowhere"), quick=True)


def test_class_weights_follow_enets_rule() -> None:
    assert class_weights([1, 0]) == [round(1 / np.log(2.02), 4), round(1 / np.log(1.02), 4)]
