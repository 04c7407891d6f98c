"""Export to ONNX: equal at every size, self-describing, whole or not at all."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from lednet_mm.checkpoints import NETWORKS, config_name
from lednet_mm.config import load_config
from lednet_mm.cost.complexity import Inference, build_network
from lednet_mm.cost.export import Normalised, export_onnx
from lednet_mm.errors import InputError
from lednet_mm.evaluation.prediction import Predictor
from lednet_mm.reports.networks import network_configs

onnxruntime = pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")

ROOT = Path(__file__).resolve().parents[2]
FILES = network_configs(ROOT / "configs/_base_/networks")
OF_MMSEGMENTATION = sorted(FILES.keys() - {config_name(key) for key in NETWORKS})


def run(path, images):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"images": images.numpy()})[0]


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] if n == "unet" else []) for n in OF_MMSEGMENTATION]
)
def test_mmsegmentations_networks_take_any_size(name, tmp_path):
    config = load_config(FILES[name])
    config.model.num_classes = 5
    torch.manual_seed(0)
    network = Inference(build_network(config))
    exported = export_onnx(network, tmp_path / "network.onnx", shape=(64, 128))
    assert exported.dynamic, exported.obstacle
    assert exported.error <= 1e-4


class Fixed(nn.Module):
    """Answers with a map whose size a trace writes down."""

    def forward(self, images):
        return F.interpolate(images.mean(1, keepdim=True), size=tuple(map(int, images.shape[2:])))


class Wrong(nn.Module):
    """Answers otherwise when it is traced."""

    def forward(self, images):
        return images + (1.0 if torch.jit.is_tracing() else 0.0)


class Unknown(nn.Module):
    """Uses an operator that ONNX does not have."""

    def forward(self, images):
        return torch.linalg.svd(images)[0]


def test_a_fixed_size_is_said_with_the_reason(tmp_path):
    exported = export_onnx(Fixed(), tmp_path / "network.onnx", shape=(16, 24))
    assert not exported.dynamic
    assert "shape" in exported.obstacle
    assert exported.sizes == ((1, 16, 24),)
    images = torch.randn(1, 3, 16, 24)
    assert np.allclose(run(tmp_path / "network.onnx", images), images.mean(1, keepdim=True), atol=1e-6)


@pytest.mark.parametrize(("network", "reason"), [(Wrong(), "differ"), (Unknown(), "svd")])
def test_nothing_is_kept_of_an_export_that_fails(network, reason, tmp_path):
    (tmp_path / "network.onnx").write_bytes(b"an earlier file")
    with pytest.raises(InputError, match=reason):
        export_onnx(network, tmp_path / "network.onnx", shape=(16, 24))
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"an earlier file"]


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


@pytest.mark.parametrize("deployed", [False, True])
def test_the_exported_file_predicts_what_the_checkpoint_predicts(
    deployed, small_config, small_streets, tool, tmp_path
):
    config = load_config(small_config())
    torch.manual_seed(0)
    model = build_network(config)
    model.train()(torch.randn(2, 3, 64, 128))
    torch.save({"state_dict": model.state_dict()}, tmp_path / "weights.pth")
    out = tmp_path / "network.onnx"
    arguments = [small_config(), tmp_path / "weights.pth", out, "--shape", 64, 128]
    outcome = tool("export", *arguments, *(["--deployed"] if deployed else []))
    assert outcome.status == 0
    assert "any batch size, height and width" in outcome.out

    path = sorted(small_streets.rglob("val/**/*_leftImg8bit.png"))[0]
    image = (
        torch.from_numpy(np.asarray(Image.open(path).convert("RGB")).copy()).permute(2, 0, 1)[None].float()
    )
    ids = run(out, image).argmax(1)[0]
    expected = Predictor(config, tmp_path / "weights.pth", torch.device("cpu"))(path)
    assert (ids == expected).mean() > 0.999  # near ties may fall either way

    facts = {entry.key: entry.value for entry in onnx.load(str(out)).metadata_props}
    assert facts["network"] == "lednet"
    assert facts["deployed"] == str(deployed).lower()
    assert facts["dynamic"] == "true"
    assert len(json.loads(facts["classes"])) == config.model.num_classes
    assert json.loads(facts["mean"]) == list(config.model.data_preprocessor.mean)
    assert len(facts["checkpoint_sha256"]) == 64


def test_a_checkpoint_that_is_not_there(tmp_path):
    command = [sys.executable, ROOT / "tools/export.py", ROOT / "configs/lednet_streets.py"]
    ended = subprocess.run([*command, "nowhere.pth", tmp_path / "a.onnx"], capture_output=True, text=True)
    assert ended.returncode == 2
    assert ended.stderr.strip().splitlines() == ["error: nowhere.pth: no such checkpoint"]
