"""The names and seeds of the corruptions, and refused input; the library is an optional dependency."""

import re

import numpy as np
import pytest

from lednet_mm.errors import InputError
from lednet_mm.evaluation import corruptions
from lednet_mm.evaluation.corruptions import (
    NAMES,
    CorruptImages,
    Corruption,
    choose_corruptions,
    corrupt,
    summarise_robustness,
)

SURE = {"defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression"}
"""Corruptions in which nothing is random."""


@pytest.fixture
def library():
    return pytest.importorskip("imagecorruptions", reason="needs pip install -e '.[corruptions]'")


@pytest.fixture
def installed(monkeypatch):
    monkeypatch.setattr(corruptions, "library", lambda: "a library")


@pytest.fixture
def image():
    smooth = np.add.outer(np.arange(48), np.arange(64))[..., None] * [1, 2, 3]
    return (smooth % 256).astype(np.uint8)


def test_the_names_are_the_librarys(library):
    assert list(NAMES) == library.get_corruption_names("common")


@pytest.mark.thorough
@pytest.mark.parametrize("name", NAMES)
def test_what_is_random_follows_from_the_images_name(library, image, name):
    state = np.random.get_state()[1].copy()
    once, again = (corrupt(image, Corruption(name, 3), "a.png") for _ in range(2))
    assert np.array_equal(once, again)
    assert np.array_equal(np.random.get_state()[1], state), "others' random numbers are as they were"
    assert once.shape == image.shape
    assert once.dtype == np.uint8
    assert not np.array_equal(once, image)
    other = corrupt(image, Corruption(name, 3), "b.png")
    assert np.array_equal(once, other) == (name in SURE)


def test_the_constants_are_the_papers(library, image):
    """Noise has a standard deviation of 0.08 and contrast a factor of 0.4, as the definitions say."""
    grey = np.full((200, 200, 3), 128, np.uint8)
    noisy = corrupt(grey, Corruption("gaussian_noise", 1), "a.png").astype(float)
    assert noisy.std() == pytest.approx(0.08 * 255, rel=0.02)
    flat = corrupt(image, Corruption("contrast", 1), "a.png").astype(float)
    mean = image.mean((0, 1))
    assert flat == pytest.approx(0.4 * (image - mean) + mean, abs=1)


def test_a_step_of_a_pipeline_corrupts_bgr_images_and_leaves_the_rest(library, image):
    step = CorruptImages()
    sample = {"img": image, "img_path": "/somewhere/a.png", "gt_seg_map": image[..., 0]}
    assert step(sample) is sample
    step.corruption = Corruption("fog", 2)
    found = step(sample)
    assert np.array_equal(found["img"][..., ::-1], corrupt(image[..., ::-1].copy(), step.corruption, "a.png"))
    assert found["gt_seg_map"] is sample["gt_seg_map"]
    assert step({**sample, "img": image.astype(np.float32)})["img"].dtype == np.float32


def test_an_image_that_cannot_be_corrupted_is_named():
    step = CorruptImages()
    step.corruption = Corruption("fog", 2)
    for image in (
        np.zeros((48, 64), np.uint8),
        np.zeros((48, 64, 4), np.uint8),
        np.zeros((31, 64, 3), np.uint8),
    ):
        with pytest.raises(InputError, match=r"/folder/a\.png: fog 2: .*32x32"):
            step({"img": image, "img_path": "/folder/a.png"})


def test_choices(installed):
    assert len(choose_corruptions(["all"])) == 75
    assert choose_corruptions([]) == ()
    assert choose_corruptions(["fog", "snow", "fog"], [3, 1, 3]) == tuple(
        Corruption(name, severity) for name in ("fog", "snow") for severity in (1, 3)
    )
    with pytest.raises(InputError, match="did you mean snow"):
        choose_corruptions(["snwo"])
    for wrong in (0, 6):
        with pytest.raises(InputError, match=f"no severity {wrong}"):
            choose_corruptions(["fog"], [wrong])


def test_without_the_library_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(corruptions, "DISTRIBUTION", "no-such-distribution")
    with pytest.raises(InputError, match=re.escape("pip install -e '.[corruptions]'")):
        choose_corruptions(["fog"])


def test_the_summary_averages_severities_first():
    found = {Corruption("fog", 1): 40.0, Corruption("fog", 5): 20.0, Corruption("snow", 1): 10.0}
    summary = summarise_robustness(50.0, found)
    assert summary.by_corruption == {"fog": 30.0, "snow": 10.0}
    assert (summary.mean_miou, summary.retention) == (20.0, 40.0)
    assert np.isnan(summarise_robustness(0.0, found).retention)
