"""Files from end to end give what the prediction of the checkpoint gives, and say what they take."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from mmseg.registry import TRANSFORMS
from torch import nn

from lednet_mm.config import load_config
from lednet_mm.datasets.preparation import Resizing, resizing_of
from lednet_mm.deployment.camera import (
    CameraIds,
    FromCamera,
    export_camera,
    picture,
    resize_as_opencv,
    traced_whole,
)
from lednet_mm.deployment.export import trace_to_onnx
from lednet_mm.deployment.file_runner import FILE_ENGINES, FileRunner
from lednet_mm.deployment.onnx_file import OnnxFile, parse_onnx, read_onnx
from lednet_mm.errors import InputError
from lednet_mm.evaluation.prediction import DeployedPredictor, Predictor
from tests.deployment.conftest import GREY

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

CPU = torch.device("cpu")


def resized(step: str) -> tuple[str, ...]:
    """Return the lines of a config whose test pipeline resizes images."""
    return (
        f"pipe = [dict(type='LoadImage'), {step}, dict(type='LoadLabels'), dict(type='PackSegInputs')]",
        "val_dataloader['dataset']['pipeline'] = pipe",
        "test_dataloader = val_dataloader",
    )


def as_taken(image: np.ndarray, lines: tuple[str, ...]) -> np.ndarray:
    """Return a BGR image as the file of a config with these lines takes it: grey, or RGB."""
    if lines == GREY:
        return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)[:, :, None]
    return np.ascontiguousarray(image[:, :, ::-1])


RATIO = resized("dict(type='Resize', scale=(96, 64), keep_ratio=True)")


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((50, 70), (36, 48)),
        ((64, 128), (32, 64)),
        ((33, 44), (36, 48)),
        ((7, 9), (64, 64)),
        ((64, 128), (100, 37)),
    ],
)
def test_images_are_resized_as_opencv_does_it(size, wanted):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    expected = cv2.resize(image, wanted[::-1], interpolation=cv2.INTER_LINEAR)
    found = resize_as_opencv(torch.from_numpy(image)[None], wanted)[0]
    np.testing.assert_array_equal(found.numpy(), expected)


@pytest.mark.parametrize(
    "step",
    [
        {"scale": (96, 64), "keep_ratio": False},
        {"scale": (96, 64), "keep_ratio": True},
        {"scale": (64, 96), "keep_ratio": True},
        {"scale_factor": 0.37},
        {"scale_factor": (0.5, 0.7)},
    ],
)
def test_sizes_are_those_of_the_pipeline(step, small_config):
    config = load_config(small_config(*resized(f"dict(type='Resize', **{step!r})")))
    resizing = resizing_of(config)
    made = TRANSFORMS.build({"type": "mmseg.Resize", **step})
    for height, width in ((64, 128), (333, 444), (75, 31)):
        expected = made({"img": np.zeros((height, width, 3), np.uint8)})["img"].shape[:2]
        assert resizing.size(height, width) == expected
        traced = resizing.size(torch.tensor(height), torch.tensor(width))
        assert tuple(map(int, traced)) == expected


def test_a_pipeline_that_does_more_is_named(small_config):
    config = load_config(small_config(*resized("dict(type='RandomFlip', prob=0.5)")))
    with pytest.raises(InputError, match="step RandomFlip of the test pipeline works only there"):
        resizing_of(config)
    assert resizing_of(load_config(small_config())) is None
    assert str(Resizing((96, 64))) == "64x96"


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("lines", "deployed", "inside"),
    [
        ((), True, "that of the image"),
        (RATIO, True, "96x64, same ratio"),
        (GREY, False, ""),
    ],
)
def test_the_file_gives_what_the_checkpoint_predicts(
    lines, deployed, inside, small_config, weights, tool, tmp_path
):
    path = small_config(*lines)
    checkpoint, out = weights(path), tmp_path / "out" / "whole.onnx"
    form = ["--deployed"] if deployed else []
    outcome = tool("export", path, checkpoint, out, "--shape", 75, 130, "--end-to-end", *form)
    assert outcome.status == 0, outcome.err
    assert "takes any height and width; differs from tools/predict.py in 0.0" in outcome.out
    facts = {entry.key: entry.value for entry in onnx.load(str(out)).metadata_props}
    assert facts["input"].startswith("grey image (H, W, 1)" if lines == GREY else "RGB image (H, W, 3)")
    assert facts["network_size"].endswith(inside)
    assert (facts["dynamic"], facts["output"][:14]) == ("true", "class ids (H, ")

    predictor_config = load_config(path)
    predictor = Predictor(predictor_config, checkpoint, CPU)
    for engine in ("onnxruntime", "openvino"):
        if engine == "openvino":
            pytest.importorskip("openvino")
        exported = read_onnx(out)
        assert exported.takes_bytes
        exported.require_fitting(predictor_config)
        with pytest.raises(InputError, match="gives class ids of whole images"):
            exported.require_logits()
        file = FileRunner(exported, engine, 1, CPU)
        for size in ((75, 130), (64, 128), (90, 61)):
            image = picture(*size)
            expected = predictor.predict_loaded(predictor.frame(image, "a")).ids
            found = file(as_taken(image, lines))
            assert (found.dtype, found.shape) == (np.uint8, size)
            assert (found == expected).mean() > 0.997  # near ties may fall either way


@pytest.mark.thorough
@pytest.mark.parametrize("lines", [RATIO, GREY])
def test_an_int8_file_gives_what_the_int8_network_predicts(lines, small_config, weights, tool, tmp_path):
    path = small_config(*lines)
    checkpoint, config = weights(path), load_config(path)
    alone, whole = tmp_path / "alone.onnx", tmp_path / "whole.onnx"
    int8 = ["--int8", "--calibration", 4, "--max-loss", 100, "--shape", 64, 128]
    for out, options in ((alone, []), (whole, ["--end-to-end"])):
        outcome = tool("export", path, checkpoint, out, *int8, *options)
        assert outcome.status == 0, outcome.err
    assert (
        "takes any height and width; differs from the INT8 network by tools/predict.py in 0.0" in outcome.out
    )
    file = read_onnx(whole)
    assert file.takes_bytes
    assert (file.precision, file.deployed) == ("int8", True)
    assert file.calibration == read_onnx(alone).calibration
    run = FileRunner(file, "onnxruntime", 1, CPU)
    predictor = DeployedPredictor(config, FileRunner(read_onnx(alone), "onnxruntime", 1, CPU))
    for size in ((64, 128), (75, 130), (90, 61)):
        image = picture(*size)
        expected = predictor.predict_loaded(predictor.frame(image, "a")).ids
        assert (run(as_taken(image, lines)) == expected).mean() > 0.997  # near ties may fall either way


class Mean(nn.Module):
    """Logits of two classes: the mean of the channels is below or above 100."""

    def __init__(self) -> None:
        super().__init__()
        self.limit = nn.Parameter(torch.tensor(100.0))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        mean = images.mean(1, keepdim=True)
        return torch.cat([self.limit - mean, mean - self.limit], 1)


def test_a_file_that_differs_is_not_exported(small_config):
    ids = CameraIds(FromCamera(Mean(), load_config(small_config()), 3, False))
    make = traced_whole(ids)
    with pytest.raises(InputError, match=r"not exported: .*% of the pixels have another class"):
        export_camera(make, shape=(16, 24), channels=3, expected=lambda image: image[..., 0] % 2, metadata={})


def test_a_single_output_stands_for_two_classes():
    class Above(Mean):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return super().forward(images)[:, 1:]

    images = torch.from_numpy(picture(20, 30))[None]
    plain = images.permute(0, 3, 1, 2).float()
    expected = (plain.mean(1) > 100).to(torch.uint8)

    class Camera(nn.Module):
        def __init__(self, network: nn.Module) -> None:
            super().__init__()
            self.network = network

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.network(images.permute(0, 3, 1, 2).float())

    for network in (Mean(), Above()):
        found = CameraIds(Camera(network))(images)
        assert found.dtype == torch.uint8
        torch.testing.assert_close(found, expected)


@pytest.mark.thorough
def test_a_whole_file_cannot_be_tested(small_config, weights, tool, tmp_path):
    path = small_config()
    checkpoint, out = weights(path), tmp_path / "whole.onnx"
    assert tool("export", path, checkpoint, out, "--shape", 64, 128, "--end-to-end").status == 0
    tested = tool("test", path, out, "--work-dir", tmp_path / "run")
    assert (tested.status, tested.err.count("\n")) == (2, 1)
    assert "export it without --end-to-end" in tested.err


def test_images_of_more_channels_are_refused(small_config):
    config = load_config(small_config())
    make = traced_whole(CameraIds(FromCamera(Mean(), config, 3, False)))
    with pytest.raises(InputError, match="images of 4 channels are not those of a camera"):
        export_camera(make, shape=(16, 16), channels=4, expected=lambda image: image[..., 0], metadata={})


class TestFileRunner:
    """A file runs on either engine, and what cannot be run is named in one line."""

    @pytest.fixture
    def file(self) -> OnnxFile:
        content = trace_to_onnx(nn.Conv2d(3, 5, 1), torch.randn(1, 3, 16, 24), dynamic=False)
        return parse_onnx("a.onnx", content)

    @pytest.mark.parametrize("engine", FILE_ENGINES)
    def test_it_runs_and_refuses_other_sizes(self, engine, file):
        pytest.importorskip(engine)
        run = FileRunner(file, engine, 1, CPU)
        assert run(np.zeros((1, 3, 16, 24), np.float32)).shape == (1, 5, 16, 24)
        with pytest.raises(InputError, match="takes images of 1x3x16x24 alone, and these are 1x3x32x24"):
            run(np.zeros((1, 3, 32, 24), np.float32))

    @pytest.mark.parametrize("engine", FILE_ENGINES)
    def test_what_an_engine_cannot_run_is_one_line(self, engine, file):
        pytest.importorskip(engine)
        with pytest.raises(InputError, match=rf"a\.onnx: {engine} cannot run this file: ") as caught:
            FileRunner(replace(file, content=b"no network"), engine, 1, CPU)
        assert "\n" not in str(caught.value)

    def test_openvino_needs_a_cpu(self, file):
        pytest.importorskip("openvino")
        with pytest.raises(InputError, match="runs on CPUs only"):
            FileRunner(file, "openvino", 1, torch.device("cuda", 0))
