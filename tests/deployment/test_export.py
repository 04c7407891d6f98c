"""Exported files equal PyTorch at every size, describe themselves, and are never written in part."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from lednet_mm.config import load_config
from lednet_mm.deployment.export import Normalised, export_onnx, require_onnx
from lednet_mm.errors import InputError
from lednet_mm.evaluation.prediction import Predictor
from lednet_mm.files import file_sha256
from tests.deployment.conftest import GREY

onnxruntime = pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")

ROOT = Path(__file__).resolve().parents[2]


def run(content, images):
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(None, {"images": images.numpy()})[0]


class Fixed(nn.Module):
    """A network whose output has a size that a trace records as a constant."""

    def forward(self, images):
        return F.interpolate(images.mean(1, keepdim=True), size=tuple(map(int, images.shape[2:])))


class Wrong(nn.Module):
    """A network that returns something else when it is traced."""

    def forward(self, images):
        return images + (1.0 if torch.onnx.is_in_onnx_export() else 0.0)


class Unknown(nn.Module):
    """A network with an operator that ONNX does not have."""

    def forward(self, images):
        return torch.linalg.svd(images)[0]


def test_a_fixed_size_is_said_with_the_reason():
    exported = export_onnx(Fixed(), shape=(16, 24))
    assert not exported.dynamic
    assert "shape" in exported.obstacle
    assert exported.sizes == ((1, 16, 24),)
    images = torch.randn(1, 3, 16, 24)
    assert np.allclose(run(exported.content, images), images.mean(1, keepdim=True), atol=1e-6)


@pytest.mark.parametrize(("network", "reason"), [(Wrong(), "differ"), (Unknown(), "svd")])
def test_an_export_that_is_wrong_or_impossible_says_why(network, reason):
    with pytest.raises(InputError, match=reason):
        export_onnx(network, shape=(16, 24))


def test_dimensions_have_names_of_their_own():
    graph = onnx.load_from_string(export_onnx(nn.Conv2d(3, 5, 1), shape=(16, 24)).content).graph
    names = [
        [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    ]
    assert names == [["batch", 3, "height", "width"], ["batch", "classes", "height", "width"]]


def test_a_graph_with_normalisation_takes_rgb():
    weights = torch.tensor([1.0, 10.0, 100.0]).reshape(1, 3, 1, 1)

    class Weighted(nn.Module):
        def forward(self, images):
            return (images * weights).sum(1)

    rgb = torch.tensor([3.0, 5.0, 7.0]).reshape(1, 3, 1, 1)
    of_rgb = {"mean": [1, 1, 1], "std": [2, 2, 2], "bgr_to_rgb": True}
    assert Normalised(Weighted(), of_rgb)(rgb).item() == 1 + 20 + 300
    of_bgr = {"mean": [5, 1, 1], "std": [2, 2, 2], "bgr_to_rgb": False}
    assert Normalised(Weighted(), of_bgr)(rgb).item() == 1 + 20 + 100


@pytest.mark.thorough
@pytest.mark.parametrize(("lines", "deployed"), [((), False), ((), True), (GREY, True)])
def test_the_exported_file_predicts_what_the_checkpoint_predicts(
    lines, deployed, small_config, small_streets, weights, tool, tmp_path
):
    path = small_config(*lines)
    config, checkpoint, out = load_config(path), weights(path), tmp_path / "out" / "network.onnx"
    outcome = tool("export", path, checkpoint, out, "--shape", 64, 128, *(["--deployed"] if deployed else []))
    assert outcome.status == 0, outcome.err
    assert "any batch size, height and width" in outcome.out
    assert f"{out}: " in outcome.out
    assert file_sha256(out) in outcome.out
    assert list(out.parent.iterdir()) == [out]

    image = sorted(small_streets.rglob("val/**/*_leftImg8bit.png"))[0]
    pixels = np.asarray(Image.open(image).convert("RGB"))
    if lines:
        pixels = cv2.imread(str(image), cv2.IMREAD_GRAYSCALE)[:, :, None]
    ids = run(out.read_bytes(), torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float()).argmax(1)[0]
    expected = Predictor(config, checkpoint, torch.device("cpu"))(image)
    assert (ids == expected).mean() > 0.999  # near ties may fall either way

    facts = {entry.key: entry.value for entry in onnx.load(str(out)).metadata_props}
    assert facts["network"] == "lednet"
    assert facts["deployed"] == str(deployed).lower()
    assert facts["dynamic"] == "true"
    assert facts["input"].startswith("grey images (N, 1, H, W)" if lines else "RGB images (N, 3, H, W)")
    assert len(json.loads(facts["classes"])) == config.model.num_classes
    assert json.loads(facts["mean"]) == list(config.model.data_preprocessor.mean)
    assert facts["checkpoint_sha256"] == file_sha256(checkpoint)


@pytest.mark.thorough
def test_no_file_of_the_users_is_replaced(small_config, weights, tool, tmp_path):
    config = small_config()
    checkpoint = weights(config)
    before = {path: path.read_bytes() for path in (config, checkpoint)}
    earlier = tmp_path / "earlier.onnx"
    earlier.write_bytes(b"an earlier file")
    (tmp_path / "link.onnx").symlink_to(checkpoint)
    for target, reason in [
        (checkpoint, "is itself an input"),
        (config, "is itself an input"),
        (tmp_path / "link.onnx", "is itself an input"),
        (tmp_path, "is a folder"),
        ("", "is not a file name"),
        (earlier / "x.onnx", "a file stands where a folder is needed"),
    ]:
        for options in ([], ["--overwrite"]):
            outcome = tool("export", config, checkpoint, target, "--shape", 64, 128, *options)
            assert (outcome.status, outcome.err.count("\n")) == (2, 1)
            assert reason in outcome.err
    outcome = tool("export", config, checkpoint, earlier, "--shape", 64, 128)
    assert outcome.status == 2
    assert "exists already: --overwrite replaces it" in outcome.err
    assert earlier.read_bytes() == b"an earlier file"
    assert {path: path.read_bytes() for path in before} == before
    assert tool("export", config, checkpoint, earlier, "--shape", 64, 128, "--overwrite").status == 0
    assert onnx.load(str(earlier)).metadata_props
    assert not list(tmp_path.rglob("*.part")) + list(tmp_path.rglob(".*"))


def test_an_earlier_file_stays_where_an_export_fails(small_config, weights, tool, tmp_path, monkeypatch):
    config = small_config()
    (tmp_path / "network.onnx").write_bytes(b"an earlier file")

    def cannot(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("torch.onnx.export", cannot)
    arguments = [config, weights(config), tmp_path / "network.onnx", "--shape", 64, 128, "--overwrite"]
    before = sorted(tmp_path.iterdir())
    assert tool("export", *arguments).status == 130
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "network.onnx").read_bytes() == b"an earlier file"


def test_a_mean_of_another_number_of_channels():
    with pytest.raises(InputError, match="mean has 3 values, the network takes 1"):
        Normalised(nn.Identity(), {"mean": [1, 2, 3], "std": [1, 1, 1]}, channels=1)


def test_packages_that_are_missing_are_named(monkeypatch):
    monkeypatch.setattr("lednet_mm.deployment.export.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"onnx and onnxruntime: pip install -e '\.\[deploy\]'"):
        require_onnx()


@pytest.mark.thorough
def test_a_checkpoint_that_is_not_there(tmp_path):
    command = [sys.executable, ROOT / "tools/export.py", ROOT / "configs/lednet_streets.py"]
    ended = subprocess.run([*command, "nowhere.pth", tmp_path / "a.onnx"], capture_output=True, text=True)
    assert ended.returncode == 2
    assert ended.stderr.strip().splitlines() == ["error: nowhere.pth: no such checkpoint"]
