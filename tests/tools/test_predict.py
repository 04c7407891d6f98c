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
from lednet_mm.datasets.cityscapes_ids import LABEL_ID_OF_TRAIN_ID
from lednet_mm.evaluation import prediction, stream, video
from lednet_mm.evaluation.rendering import heat
from lednet_mm.evaluation.video import VideoReader, VideoWriter

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


@pytest.fixture
def film(tmp_path) -> Path:
    """A video of six frames."""
    writer = VideoWriter(tmp_path / "film.avi", 5)
    for shift in range(6):
        writer.write(np.roll(PICTURE, 4 * shift, axis=1))
    writer.close()
    return writer.path


def frames_of(path: Path) -> list[np.ndarray]:
    reader = VideoReader(str(path))
    frames = list(reader)
    reader.close()
    return frames


def test_a_video_becomes_a_video(predict, film, tmp_path):
    out = tmp_path / "new" / "out.avi"
    done = predict(film, "--as", "color", out=out)
    assert done.status == 0, done.err
    first, second = done.out.splitlines()
    assert first == f"6 of 6 frames predicted; the video is {out}"
    assert second.startswith("mean of 6 images: read ")
    assert all(f" {stage} " in second for stage in ("network", "draw", "write"))
    assert "images per second" in second
    assert list(out.parent.iterdir()) == [out]
    assert predict(film, "--as", "color", out=tmp_path / "pictures").status == 0
    pictures = [cv2.imread(str(path)) for path in sorted((tmp_path / "pictures").iterdir())]
    assert [len(pictures), pictures[0].shape] == [6, (48, 80, 3)]
    frames = frames_of(out)
    assert VideoReader(str(out)).rate == pytest.approx(5)
    assert np.mean([np.abs(a.astype(int) - b).mean() for a, b in zip(frames, pictures, strict=True)]) < 16
    shown = predict(film, "--as", "color", "--show-fps", "--fps", 2, out=tmp_path / "fps.avi")
    assert shown.status == 0
    with_rate = frames_of(tmp_path / "fps.avi")
    corner = [np.abs(a[:12].astype(int) - b[:12]).mean() for a, b in zip(frames, with_rate, strict=True)]
    assert corner[0] < 5 < min(corner[1:])  # before the first frame is finished there is no speed
    assert VideoReader(str(tmp_path / "fps.avi")).rate == pytest.approx(2)


def test_a_folder_becomes_a_video_in_the_order_of_its_numbers(predict, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name, level in (("10.png", 250), ("2.png", 120), ("1.png", 0)):
        cv2.imwrite(str(folder / name), np.full((48, 80, 3), level, np.uint8))
    (folder / "5.png").write_bytes(b"broken")
    done = predict(folder, out=tmp_path / "out.mp4")
    assert done.status == 1
    assert done.out.startswith("3 of 4 images predicted; 1 could not be; the video is")
    assert "error: image" in done.err
    assert "5.png" in done.err
    levels = [frame.mean() for frame in frames_of(tmp_path / "out.mp4")]
    assert levels == sorted(levels)
    assert len(levels) == 3


def test_a_camera_is_ended_by_the_keyboard(predict, tmp_path, monkeypatch):
    class Camera:
        taken = 0

        def isOpened(self) -> bool:  # noqa: N802  (OpenCV's name)
            return True

        def get(self, key: int) -> float:
            return 10.0 if key == cv2.CAP_PROP_FPS else -1.0

        def read(self) -> tuple[bool, np.ndarray]:
            self.taken += 1
            if self.taken > 3:
                raise KeyboardInterrupt
            return True, PICTURE

    opened = cv2.VideoCapture
    monkeypatch.setattr(
        video.cv2, "VideoCapture", lambda name, *more: opened(name, *more) if more else Camera()
    )
    done = predict("camera:0", out=tmp_path / "out.mp4")
    assert done.status == 0, done.err
    assert done.out.startswith(f"3 frames predicted; the video is {tmp_path / 'out.mp4'}")
    assert frames_of(tmp_path / "out.mp4")  # as many as real time asks for


def test_an_interrupted_video_leaves_nothing(predict, film, tmp_path, monkeypatch):
    drawn = []

    def draw(*_: object) -> np.ndarray:
        drawn.append(1)
        if len(drawn) == 3:
            raise KeyboardInterrupt
        return PICTURE

    monkeypatch.setattr("lednet_mm.evaluation.rendering.overlay", draw)
    before = sorted(tmp_path.iterdir())
    done = predict(film, out=tmp_path / "out.mp4")
    assert done.status == 130
    assert done.out.startswith("2 of 6 frames predicted; there is no video")
    assert [path for path in sorted(tmp_path.iterdir()) if path.name != "small.py"] == [
        path for path in before if path.name != "small.py"
    ]


@pytest.mark.parametrize(
    ("source", "out", "options", "words"),
    [
        ("film.avi", "out.xyz", [], "no codec here writes a video *.xyz"),
        ("film.avi", "out.mp4", ["--as", "ids"], "a video's compression changes ids: give a folder"),
        ("film.avi", "out", ["--show-fps"], "--show-fps belongs to a video"),
        ("film.avi", "film.avi", ["--overwrite"], "is itself an input"),
        ("film.avi", "old.mp4", [], "old.mp4 exists already: --overwrite"),
        ("film.avi", "out.mp4", ["--tile", 49, 80], "frame 1 of {source} is only 48x80"),
        ("film.avi", "out.mp4", ["--tile", 20, 20, "--overlap", 20], "--overlap 20: neighbouring tiles"),
        ("film.avi", "out.mp4", ["--overlap", 2], "--overlap 2 belongs to --tile"),
        ("film.avi", "out.mp4", ["--engine", "onnxruntime"], "runs ONNX files: export"),
        ("none.mp4", "out.mp4", [], "none.mp4: no such"),
        ("bad.mp4", "out.mp4", [], "bad.mp4: not a video that OpenCV can read"),
        ("camera:77", "out.mp4", [], "camera:77: there is no such camera"),
    ],
)
def test_what_cannot_be_done_is_one_line(predict, film, tmp_path, source, out, options, words):
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    (tmp_path / "old.mp4").write_bytes(b"an earlier file")
    named = source if source.startswith("camera") else tmp_path / source
    before = {path: path.read_bytes() for path in tmp_path.glob("*.*") if path.suffix != ".py"}
    done = predict(named, *options, out=tmp_path / out)
    assert done.status == 2
    (line,) = done.err.strip().splitlines()
    assert words.format(source=named) in line
    assert {path: path.read_bytes() for path in tmp_path.glob("*.*") if path.suffix != ".py"} == before


@pytest.mark.thorough
def test_ids_and_certainty_as_pictures(predict, images, tmp_path):
    for form in ("ids", "color", "confidence", "entropy"):
        assert predict(images / "a.png", "--as", form, out=tmp_path / form).status == 0
    read = {form: cv2.imread(str(tmp_path / form / "a.png"), -1) for form in ("ids", "confidence", "entropy")}
    assert set(np.unique(read["ids"])) <= set(LABEL_ID_OF_TRAIN_ID)
    assert read["ids"].shape == (48, 80)
    for form in ("confidence", "entropy"):
        config = load_config(tmp_path / "small.py")
        predictor = prediction.Predictor(config, tmp_path / "w.pth", torch.device("cpu"), measure=form)
        expected = heat(predictor.predict(images / "a.png").certainty)
        np.testing.assert_array_equal(read[form][..., ::-1], expected)
    legend = predict(images / "a.png", "--as", "entropy", "--legend", out=tmp_path / "legend")
    assert legend.status == 0
    assert cv2.imread(str(tmp_path / "legend" / "a.png")).shape[0] > 48


@pytest.mark.thorough
def test_exported_files_predict_what_the_checkpoint_predicts(predict, images, small_config, tool, tmp_path):
    pytest.importorskip("onnx")
    config = small_config()
    forms = {"plain": [], "whole": ["--end-to-end"]}
    for name, options in forms.items():
        arguments = [config, tmp_path / "w.pth", tmp_path / f"{name}.onnx", "--shape", 48, 80, *options]
        assert tool("export", *arguments).status == 0
    assert predict(images / "a.png", "--as", "ids").status == 0
    expected = cv2.imread(str(tmp_path / "out" / "a.png"), -1)
    for name in forms:
        for engine in ("onnxruntime", "openvino"):
            pytest.importorskip(engine)
            out = tmp_path / f"{name}_{engine}"
            file = tmp_path / f"{name}.onnx"
            options = ["--as", "ids", "--engine", engine, "--device", "cpu", "--out", out]
            done = tool("predict", config, file, images / "a.png", *options)
            assert done.status == 0, done.err
            assert (cv2.imread(str(out / "a.png"), -1) == expected).mean() > 0.999
    refused = tool(
        "predict", config, tmp_path / "whole.onnx", images, "--out", tmp_path / "x", "--as", "entropy"
    )
    assert (refused.status, "gives class ids of whole images" in refused.err) == (2, True)
    camvid = ["lednet", "--dataset", "camvid", tmp_path / "plain.onnx", images, "--out", tmp_path / "x"]
    other = tool("predict", *camvid)
    assert (other.status, other.err.count("\n")) == (2, 1)
    assert "plain.onnx has 19 classes, the config's dataset has 11" in other.err
