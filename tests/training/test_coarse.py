"""Cityscapes' coarse labels: in a training before the fine ones, or together with them."""

import shutil

import numpy as np
import pytest
import torch

from lednet_mm.checkpoints.reading import read_checkpoint
from lednet_mm.config import Choice, load_config
from lednet_mm.datasets.check import check_dataset
from lednet_mm.records import read_records
from lednet_mm.training.training import train
from tests.datasets.small_sets import HEIGHT, WIDTH, make_cityscapes, write_png
from tests.training.small import small


@pytest.fixture
def cityscapes(tmp_path):
    """Two fine images each in train and val, and three with coarse labels in train_extra."""
    root = make_cityscapes(tmp_path / "cityscapes")
    rng = np.random.default_rng(1)
    for i in range(3):
        stem = f"augsburg_{i:06d}_000019"
        image = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
        write_png(root / "leftImg8bit/train_extra/augsburg" / f"{stem}_leftImg8bit.png", image)
        ids = np.full((HEIGHT, WIDTH), 7, np.uint8)  # road
        write_png(root / "gtCoarse/train_extra/augsburg" / f"{stem}_gtCoarse_labelIds.png", ids)
    return root


@pytest.mark.thorough
def test_coarse_first_resumes_in_either_stage(cityscapes, tmp_path, one_thread):
    choice = Choice("lednet", "cityscapes", "lednet_authors_coarse_first")
    options = small(choice, cityscapes, shape=(HEIGHT, WIDTH))
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(choice, work_dir=whole, options=options)
    for done in ("earlier_stage/iter_1.pth", "iter_1.pth"):
        shutil.rmtree(cut, ignore_errors=True)
        (cut / "earlier_stage").mkdir(parents=True)
        shutil.copy(whole / done, cut / done)
        if done == "iter_1.pth":
            shutil.rmtree(cut / "earlier_stage")
            shutil.copytree(whole / "earlier_stage", cut / "earlier_stage")
        train(choice, work_dir=cut, options=options, resume=True)
        ours, theirs = (read_checkpoint(run / "iter_2.pth")["state_dict"] for run in (cut, whole))
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    trained = {r.run.dataset: r for r in read_records([whole])[0] if r.kind == "train"}
    assert trained.keys() == {"cityscapes", "cityscapes_coarse"}
    assert trained["cityscapes"].details["began_from"]["not_in_the_file"] == []


@pytest.mark.thorough
@pytest.mark.parametrize(("dataset", "images"), [("cityscapes_coarse", 3), ("cityscapes_fine_coarse", 5)])
def test_the_images_of_each_set(dataset, images, cityscapes, tmp_path):
    choice = Choice("dabnet", dataset, "lednet_authors_two_stages")
    options = small(choice, cityscapes, shape=(HEIGHT, WIDTH), iterations=1)
    config = load_config(choice, options)
    summary = check_dataset(config.train_dataloader.dataset)
    assert (summary.images, summary.problems) == (images, [])
    assert summary.class_pixels[0] >= 3 * HEIGHT * WIDTH  # train_extra is all road
    assert config.val_dataloader.dataset.get("labels", "gtFine") == "gtFine"
    train(choice, work_dir=tmp_path / "run", options=options)
    assert (tmp_path / "run" / "iter_1.pth").is_file()


def test_the_lengths_are_epochs_of_all_images():
    lengths = {
        name: load_config(Choice("lednet", name, "lednet_authors")).train_cfg.max_iters
        for name in ("cityscapes", "cityscapes_coarse", "cityscapes_fine_coarse")
    }
    assert lengths == {
        "cityscapes": 300 * (2975 // 5),
        "cityscapes_coarse": 300 * (19998 // 5),
        "cityscapes_fine_coarse": 300 * (22973 // 5),
    }
