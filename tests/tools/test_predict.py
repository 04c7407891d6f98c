"""Prediction loses no file of the user's, names every file that it leaves out, and prints correct counts."""

from __future__ import annotations

import errno
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmseg.registry import MODELS
from PIL import Image

from lednet_mm.config import load_config
from lednet_mm.evaluation import prediction, stream

PICTURE = np.random.default_rng(0).integers(0, 256, (48, 80, 3), np.uint8)


@pytest.fixture
def predict(small_config, tool, tmp_path):
    """Run the command with random weights: ``predict(images, *options, out=...)``."""
    config = small_config()
    torch.save({"state_dict": MODELS.build(load_config(config).model).state_dict()}, tmp_path / "w.pth")

    def run(images: Path, *options: object, out: Path = tmp_path / "out"):
        return tool("predict", config, tmp_path / "w.pth", images, "--out", out, *options)

    return run


@pytest.fixture
def images(tmp_path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.png", "b.jpg"):
        cv2.imwrite(str(folder / name), PICTURE)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_images_of_one_name_and_other_files(predict, images):
    cv2.imwrite(str(images / "a.bmp"), PICTURE)
    (images / "clip.mp4").write_bytes(b"")
    (images / "._a.png").write_bytes(b"\0\5\x16\7")
    done = predict(images)
    assert done.status == 0
    assert done.out.startswith("3 of 3 images predicted; the pictures are in")
    assert "files left out, which are not images: 1 .mp4" in done.err
    assert contents(images.parent / "out").keys() == {"a.png.png", "a.bmp.png", "b.png"}


def test_the_others_are_predicted_and_the_bad_one_named(predict, images):
    (images / "a.bmp").write_bytes((images / "a.png").read_bytes()[:500])
    (images / "tiny.png").write_bytes(cv2.imencode(".png", PICTURE[:1, :1])[1].tobytes())
    done = predict(images)
    assert done.status == 1
    assert done.out.startswith("2 of 4 images predicted; 2 could not be;")
    errors = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert ["a.bmp" in errors[0], "tiny.png is 1x1" in errors[1], len(errors)] == [True, True, 2]
    assert contents(images.parent / "out").keys() == {"a.png.png", "b.png"}


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda images: images, "is the folder of the images"),
        (
            lambda images: (images.parent / "link").symlink_to(images) or images.parent / "link",
            "folder of the images",
        ),
        (lambda images: (images.parent / "file").write_text("x") and images.parent / "file", "is needed"),
        (lambda images: (images.parent / "file").write_text("x") and images.parent / "file/x", "is needed"),
    ],
)
def test_a_wrong_place_is_refused_before_the_model_is_built(predict, images, prepare, words, monkeypatch):
    monkeypatch.setattr(prediction, "load_model", None)  # would be a TypeError
    out, before = prepare(images), contents(images)
    done = predict(images, out=out)
    assert done.status == 2
    assert words in done.err
    assert contents(images) == before


def test_what_is_there_is_kept_until_overwrite_is_said(predict, images):
    assert predict(images / "a.png").status == 0
    before = contents(images.parent / "out")
    refused = predict(images, "--as", "color")
    assert refused.status == 2
    assert "a.png exists already: --overwrite" in refused.err
    assert contents(images.parent / "out") == before
    assert predict(images, "--as", "color", "--overwrite", "--legend").status == 0
    after = contents(images.parent / "out")
    assert after.keys() == {"a.png", "b.png"}
    assert after["a.png"] != before["a.png"]


def test_an_image_beside_its_picture_is_an_input(predict, images):
    done = predict(images / "a.png", "--overwrite", out=images)
    assert done.status == 2
    assert "itself an input" in done.err


def test_a_disk_that_fills_up_keeps_what_was_written(predict, images, monkeypatch):
    written = stream.write_atomically

    def full(path: Path, data: bytes) -> None:
        if path.name == "b.png":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        written(path, data)

    monkeypatch.setattr(stream, "write_atomically", full)
    done = predict(images)
    assert done.status == 2
    assert done.out.startswith("1 of 2 images predicted")
    assert "b.png: No space left on device" in done.err
    assert contents(images.parent / "out").keys() == {"a.png"}


def test_the_overlay_lies_on_the_picture_that_was_predicted(predict, tmp_path):
    exif = Image.Exif()
    exif[274] = 3
    folder = tmp_path / "in"
    folder.mkdir()
    Image.fromarray(PICTURE).save(folder / "a.png", exif=exif)
    assert predict(folder).status == 0
    assert predict(folder, "--as", "color", out=tmp_path / "colours").status == 0
    both, colours = (cv2.imread(str(tmp_path / name / "a.png")).astype(int) for name in ("out", "colours"))
    assert np.abs(2 * both - colours - PICTURE[::-1, ::-1, ::-1]).max() <= 1
