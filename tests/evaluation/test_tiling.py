"""Tiles cover an image as MMSegmentation's do, change nothing where they cannot, and need bounded memory."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from mmseg.registry import MODELS

from lednet_mm.config import load_config
from lednet_mm.errors import InputError
from lednet_mm.evaluation.certainty import certainty, class_ids
from lednet_mm.evaluation.prediction import DeployedPredictor, Predictor
from lednet_mm.evaluation.tiling import Tiles

CPU = torch.device("cpu")
PICTURE = np.random.default_rng(0).integers(0, 256, (75, 130, 3), np.uint8)  # BGR


@pytest.fixture
def weights(small_config, tmp_path):
    torch.manual_seed(0)
    model = MODELS.build(load_config(small_config()).model)
    model.train()(torch.randn(2, 3, 64, 128))
    torch.save({"state_dict": model.state_dict()}, tmp_path / "w.pth")
    return tmp_path / "w.pth"


@pytest.mark.parametrize("tiles", [Tiles(32, 64), Tiles(40, 48, 16), Tiles(64, 64, 40), Tiles(75, 130)])
def test_strips_are_the_whole_image_where_each_pixel_counts_alone(tiles):
    image = torch.randn(3, 75, 130)
    parts = list(tiles.strips(image, lambda tile: torch.stack([tile[0], tile[1] * 2, tile.sum(0)])))
    expected = torch.stack([image[0], image[1] * 2, image.sum(0)])
    torch.testing.assert_close(torch.cat(parts, 1), expected)
    assert max(part.shape[1] for part in parts) <= tiles.height


@pytest.mark.parametrize("tiles", [Tiles(32, 64), Tiles(40, 48, 16), Tiles(64, 64, 40)])
def test_overlaps_are_averaged_as_in_mmsegmentations_slide_mode(tiles, small_config, weights):
    config = load_config(small_config())
    ours = Predictor(config, weights, CPU, tiles=tiles, measure="confidence")
    found = ours.predict_loaded(ours.frame(PICTURE, "a"))
    config.model.test_cfg = tiles.slide_mode()
    theirs = Predictor(config, weights, CPU, measure="confidence")
    expected = theirs.predict_loaded(theirs.frame(PICTURE, "a"))
    assert (found.ids == expected.ids).mean() > 0.999
    np.testing.assert_allclose(found.certainty, expected.certainty, atol=1e-5)


def test_a_tile_of_the_images_size_changes_nothing(small_config, weights):
    config = load_config(small_config())
    whole, tiled = (Predictor(config, weights, CPU, tiles=t) for t in (None, Tiles(75, 130)))
    ids = [p.predict_loaded(p.frame(PICTURE, "a")).ids for p in (whole, tiled)]
    np.testing.assert_array_equal(*ids)


def test_tiles_of_an_image_that_the_pipeline_resizes(small_config):
    resized = (
        "pipe = [dict(type='LoadImage'), dict(type='Resize', scale=(96, 64), keep_ratio=False),"
        " dict(type='PackSegInputs')]",
        "val_dataloader['dataset']['pipeline'] = pipe",
        "test_dataloader = val_dataloader",
    )
    config = load_config(small_config(*resized))

    weights = np.array([1, 1.01, 0.99], np.float32).reshape(3, 1, 1)  # so that there are no ties

    def colours(images: np.ndarray) -> np.ndarray:  # each pixel counts alone
        zeros = np.zeros((1, 16, *images.shape[2:]), np.float32)
        return np.concatenate([images * weights, zeros], 1)

    whole, tiled = (DeployedPredictor(config, colours, tiles=t) for t in (None, Tiles(32, 48, 8)))
    smooth = cv2.GaussianBlur(PICTURE, (15, 15), 5)
    ids = [p.predict_loaded(p.frame(smooth, "a")).ids for p in (whole, tiled)]
    assert ids[0].shape == (75, 130)
    assert (ids[0] == ids[1]).mean() > 0.999
    small = cv2.resize(smooth, (96, 64))[:, :, ::-1].astype(np.float32)
    weighted = torch.from_numpy(np.ascontiguousarray(small.transpose(2, 0, 1) * weights))[None]
    corners = whole.model.align_corners
    scores = torch.nn.functional.interpolate(weighted, (75, 130), mode="bilinear", align_corners=corners)
    assert (scores[0].argmax(0).numpy() == ids[0]).mean() > 0.999


def test_the_scores_of_one_row_of_tiles_are_kept_at_a_time():
    tiles, seen = Tiles(16, 16, 4), []

    def scores_of(tile: torch.Tensor) -> torch.Tensor:
        seen.append(len(seen))
        return tile.new_zeros(1, 16, 16)

    strips = tiles.strips(torch.zeros(3, 160, 40), scores_of)
    next(strips)
    assert len(seen) == 3  # the tiles of the first row: nothing else was predicted for the first strip


@pytest.mark.parametrize("overlap", [-1, 32, 100])
def test_an_overlap_as_large_as_the_tile(overlap):
    with pytest.raises(InputError, match=rf"--overlap {overlap}: .* 0 to 31 pixels"):
        Tiles(32, 64, overlap)


def test_a_tile_larger_than_the_image():
    Tiles(64, 128).check_fits(64, 128, "image a.png")
    with pytest.raises(InputError, match=r"--tile 65 128: image a\.png is only 64x128"):
        Tiles(65, 128).check_fits(64, 128, "image a.png")


def test_certainty_is_that_of_the_softmax():
    scores = torch.tensor([[0.0, 5.0], [0.0, 5.0], [0.0, -90.0]]).reshape(3, 1, 2)
    np.testing.assert_allclose(certainty(scores, "confidence"), [[1 / 3, 0.5]], rtol=1e-6)
    np.testing.assert_allclose(certainty(scores, "entropy"), [[1.0, np.log(2) / np.log(3)]], rtol=1e-6)
    of_two = torch.tensor([[[0.9, 0.2, 1.0]]])
    np.testing.assert_allclose(certainty(of_two, "confidence"), [[0.9, 0.8, 1.0]], rtol=1e-6)
    binary = -(0.9 * np.log2(0.9) + 0.1 * np.log2(0.1))
    np.testing.assert_allclose(certainty(of_two, "entropy")[0, 0], binary, rtol=1e-5)
    assert class_ids(of_two, 0.5).tolist() == [[1, 0, 1]]
