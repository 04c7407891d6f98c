"""Generated images as an additional folder: their share of the draws, their labels, their files."""

from __future__ import annotations

import os
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from mmseg.registry import DATASETS

import lednet_mm.register  # noqa: F401
from lednet_mm.datasets.card import config_of, read_card
from lednet_mm.datasets.check import check_dataset
from lednet_mm.datasets.cityscapes import TO_TRAIN_ID
from lednet_mm.datasets.mixed import MixedDataset
from lednet_mm.datasets.reproducible import ReproducibleSampler
from lednet_mm.errors import InputError
from tests.datasets.small_sets import make_cityscapes, make_pairs, write_card, write_png

SHARE = 0.25


@pytest.fixture
def mixed(tmp_path: Path) -> tuple[dict, MixedDataset]:
    """Six images and seven generated ones, named as pix2pixHD names them."""
    make_pairs(tmp_path / "data")
    make_pairs(tmp_path / "gan", 7)
    for path in (tmp_path / "gan" / "images").iterdir():
        path.rename(path.with_name(f"{path.stem}_synthesized_image.png"))
    extra = {"root": "gan", "images": "images", "labels": "masks", "share": SHARE}
    extra["image_suffix"] = "_synthesized_image"
    config = config_of(read_card(write_card(tmp_path, extra=extra, crop_size=[32, 64])))
    return config, DATASETS.build(config["train_dataloader"]["dataset"])


def test_a_share_of_the_draws_and_all_of_the_images(mixed):
    config, dataset = mixed
    assert len(dataset) == config["train_images"] == 8  # six, and two more to make a quarter of eight
    draws = list(islice(ReproducibleSampler(dataset, seed=0), 50 * len(dataset)))
    seen = [dataset[draw]["data_samples"].img_path for draw in draws[:: len(dataset)]]
    assert all(Path(path).is_file() for path in seen)
    places = Counter(dataset.place_of(draw) for draw in draws)
    of_extra = {int(index): count for (which, index), count in places.items() if which == 1}
    assert sum(of_extra.values()) == SHARE * len(draws)
    assert set(of_extra) == set(range(7))
    assert all(places[0, index] == 50 for index in range(6))


def test_the_same_draw_is_the_same_image(mixed):
    _, dataset = mixed
    draw = next(d for d in ReproducibleSampler(dataset, seed=1) if d >= 6)
    one, two = dataset[draw], dataset[draw]
    assert one["data_samples"].img_path == two["data_samples"].img_path
    assert "synthesized" in one["data_samples"].img_path
    assert (one["inputs"] == two["inputs"]).all()


def test_both_folders_are_checked(mixed):
    config, dataset = mixed
    summary = check_dataset(config["train_dataloader"]["dataset"])
    assert (summary.images, summary.decoded, summary.problems) == (13, 13, [])
    os.truncate(dataset.datasets[1].get_data_info(3)["img_path"], 40)
    (problem,) = check_dataset(config["train_dataloader"]["dataset"]).problems
    assert "x3_synthesized_image.png is unreadable" in problem


def test_what_pix2pixhd_makes_of_cityscapes(tmp_path):
    """The files of its results folder, and the label maps that it was given; as docs/datasets.md says."""
    make_cityscapes(tmp_path / "cityscapes")
    rng = np.random.default_rng(1)
    stem = "munster_000000_000019_gtFine_labelIds"
    ids = rng.integers(0, 34, (20, 40), np.uint8)
    write_png(tmp_path / "gan/labels" / f"{stem}.png", ids)
    image = rng.integers(0, 256, (20, 40, 3), np.uint8)
    write_png(tmp_path / "gan/images" / f"{stem}_synthesized_image.jpg", image)
    write_png(tmp_path / "gan/images" / f"{stem}_input_label.jpg", image)
    pipeline = [{"type": "LoadImage"}, {"type": "LoadLabels"}]
    generated = {
        "type": "Cityscapes",
        "data_root": str(tmp_path / "gan"),
        "data_prefix": {"img_path": "images", "seg_map_path": "labels"},
        "img_suffix": "_gtFine_labelIds_synthesized_image.jpg",
        "seg_map_suffix": "_gtFine_labelIds.png",
        "pipeline": pipeline,
    }
    real = {"type": "Cityscapes", "data_root": str(tmp_path / "cityscapes"), "pipeline": pipeline}
    dataset = DATASETS.build({"type": "MixedDataset", "datasets": [real, generated], "share": 0.5})
    assert len(dataset) == 4
    assert check_dataset(dataset).problems == []
    np.testing.assert_array_equal(dataset[3]["gt_seg_map"], TO_TRAIN_ID[ids])


@pytest.mark.parametrize("share", [0, 1, 1.5])
def test_a_share_out_of_range(mixed, share):
    config, _ = mixed
    with pytest.raises(InputError, match="a share between 0 and 1"):
        MixedDataset(config["train_dataloader"]["dataset"]["datasets"], share=share)


def test_a_folder_that_is_missing(tmp_path):
    make_pairs(tmp_path / "data")
    extra = {"images": "generated", "labels": "masks", "share": 0.5}
    with pytest.raises(InputError, match=r"extra: images: .*generated is not a folder"):
        read_card(write_card(tmp_path, extra=extra))
