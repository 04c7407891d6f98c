"""The decoded cache gives the same samples faster, and never an outdated or damaged one."""

import os
import shutil
import zlib

import cv2
import numpy as np
import pytest
from mmseg.registry import DATASETS

from lednet_mm.datasets.cache import Cached, split_pipeline
from lednet_mm.datasets.reproducible import Draw
from lednet_mm.errors import InputError

PIPELINE = [
    {"type": "SeedAugmentation"},
    {"type": "LoadImage"},
    {"type": "LoadLabels"},
    {"type": "Resize", "scale": (96, 48), "keep_ratio": False},
    {"type": "RandomCrop", "crop_size": (32, 64)},
    {"type": "RandomFlip", "prob": 0.5},
    {"type": "PackSegInputs"},
]


def dataset(root, cache_dir=None, pipeline=PIPELINE):
    config = {"type": "StreetsDataset", "data_root": str(root), "split": "train", "pipeline": pipeline}
    return DATASETS.build({**config, "cache_dir": cache_dir})


@pytest.fixture
def streets(small_streets, tmp_path):
    """A copy of the small set, whose files a test may change."""
    return shutil.copytree(small_streets, tmp_path / "streets")


def assert_same(one, other):
    assert np.array_equal(one["inputs"], other["inputs"])
    assert np.array_equal(one["data_samples"].gt_sem_seg.data, other["data_samples"].gt_sem_seg.data)
    assert one["data_samples"].metainfo == other["data_samples"].metainfo


def test_samples_are_the_same_from_files_and_from_the_cache(streets, tmp_path):
    plain, cached = dataset(streets), dataset(streets, tmp_path / "cache")
    for seed in range(3):  # the first pass fills the cache
        for index in range(len(plain)):
            assert_same(plain[Draw(index, seed)], cached[Draw(index, seed)])
    assert len(list((tmp_path / "cache").iterdir())) == len(plain)
    for path in streets.rglob("*_leftImg8bit.png"):
        status = path.stat()
        path.write_bytes(b"x" * status.st_size)  # the same size and time: not looked at again
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    cached[Draw(0, 9)]


def test_a_changed_image_is_read_anew(streets, tmp_path):
    cached = dataset(streets, tmp_path / "cache")
    cached[Draw(0, 1)]
    path = cached.get_data_info(0)["img_path"]
    cv2.imwrite(path, 255 - cv2.imread(path))
    assert_same(cached[Draw(0, 1)], dataset(streets)[Draw(0, 1)])


@pytest.mark.parametrize("damage", [b"", b"no newline", b"({}, {})\nsurplus", b"__import__('os')\n"])
def test_a_damaged_file_of_the_cache_is_made_again(streets, tmp_path, damage):
    cached = dataset(streets, tmp_path / "cache")
    first = cached[Draw(0, 1)]
    (kept,) = (tmp_path / "cache").iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(damage)
    assert_same(cached[Draw(0, 1)], first)
    assert kept.read_bytes() == whole
    kept.write_bytes(whole[:-5])
    assert_same(cached[Draw(0, 1)], first)


def changed_byte(content):
    where = len(content) - 64 * 128 // 2  # in the label
    return content[:where] + bytes([77]) + content[where + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        changed_byte,
        lambda content: content[:400] + b"\xff\x00" + content[402:],
        lambda content: content.replace(b"'uint8'", b"'uint9'", 1),
        lambda content: content.replace(b"gt_seg_map", b"gt_sea_map", 1),
        lambda content: content.replace(b"(48, 96)", b"(96, 48)", 1),
        lambda content: b"00000000" + content[8:],
        lambda content: content[9:],  # as it was written before there were checksums
        lambda content: b"5\n",
        lambda content: content + b"\0",
    ],
)
def test_whatever_was_changed_is_made_again(streets, tmp_path, damage):
    cached = dataset(streets, tmp_path / "cache")
    first = cached[Draw(0, 1)]
    (kept,) = (tmp_path / "cache").iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(damage(whole))
    assert kept.read_bytes() != whole
    assert_same(cached[Draw(0, 1)], first)
    assert kept.read_bytes() == whole


@pytest.mark.parametrize(
    "text", [b"5", b"('key', 1, 2)", b"(" * 2000, b"('key', {'img': ('uint9', (1,))}, {})"]
)
def test_a_right_checksum_over_something_else_is_no_entry(streets, tmp_path, text):
    cached = dataset(streets, tmp_path / "cache")
    first = cached[Draw(0, 1)]
    (kept,) = (tmp_path / "cache").iterdir()
    content = text.replace(b"key", kept.stem.encode()) + b"\n"
    kept.write_bytes(b"%08x\n" % zlib.crc32(content) + content)
    assert_same(cached[Draw(0, 1)], first)


def test_a_renamed_entry_is_made_again(streets, tmp_path):
    cached = dataset(streets, tmp_path / "cache")
    cached[Draw(0, 1)]
    (one,) = (tmp_path / "cache").iterdir()
    second = cached[Draw(1, 1)]
    other = next(path for path in (tmp_path / "cache").iterdir() if path != one)
    shutil.copy(one, other)
    assert_same(cached[Draw(1, 1)], second)


def test_a_pipe_in_the_cache_is_not_waited_for(streets, tmp_path):
    cached = dataset(streets, tmp_path / "cache")
    first = cached[Draw(0, 1)]
    (kept,) = (tmp_path / "cache").iterdir()
    kept.unlink()
    os.mkfifo(kept)
    assert_same(cached[Draw(0, 1)], first)


def test_a_faulty_label_is_named_as_without_a_cache(streets, tmp_path):
    cached = dataset(streets, tmp_path / "cache")
    path = cached.get_data_info(0)["seg_map_path"]
    cv2.imwrite(path, np.full((64, 128), 99, np.uint8))
    for _ in range(2):  # a failure is not cached
        with pytest.raises(InputError, match=r"holds ids \[99\]"):
            cached[Draw(0, 1)]


def test_a_folder_that_cannot_be_written_is_named(streets, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cache folder .* cannot be written"):
        dataset(streets, tmp_path / "file" / "cache")[Draw(0, 1)]


def test_only_the_transforms_without_randomness_are_cached(streets, tmp_path):
    transforms = dataset(streets, tmp_path / "cache").pipeline.transforms
    assert [type(t).__name__ for t in transforms][:3] == ["SeedAugmentation", "Cached", "RandomCrop"]
    assert isinstance(transforms[1], Cached)
    assert split_pipeline([]) == ([], [], [])


def test_other_transforms_have_other_entries(streets, tmp_path):
    larger = [*PIPELINE[:3], {**PIPELINE[3], "scale": (128, 64)}, *PIPELINE[4:]]
    dataset(streets, tmp_path / "cache")[Draw(0, 1)]
    assert_same(
        dataset(streets, tmp_path / "cache", larger)[Draw(0, 1)], dataset(streets, None, larger)[Draw(0, 1)]
    )
