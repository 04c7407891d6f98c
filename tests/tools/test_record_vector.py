"""A vector of anybody's code: the story that docs/adding_a_network.md tells, and what cannot be recorded."""

from __future__ import annotations

import json
import sys

import pytest
import torch
from mmseg.registry import MODELS
from torch import nn

from lednet_mm.checkpoints.filling import fill
from lednet_mm.checkpoints.parity import read_vector
from lednet_mm.checkpoints.recording import Recorder, list_state, name_output
from lednet_mm.errors import InputError
from tests.conftest import ROOT

_, _, ORIGINAL, AGAIN, *_ = (
    part.split("```")[0] for part in (ROOT / "docs/adding_a_network.md").read_text().split("```python\n")
)


@pytest.fixture
def original(tmp_path, monkeypatch):
    """The package with the original network, in the current folder."""
    package = tmp_path / "toy_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "net.py").write_text(ORIGINAL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield package / "net.py"
    for name in ("toy_package", "toy_package.net", "net", "toy_again"):
        sys.modules.pop(name, None)
    MODELS.module_dict.pop("ToyEncoder", None)


def record(tool, *more):
    return tool("record_vector", "toy_package.net:ToyNet", "--classes", 5, "--out", "toynet.json", *more)


def test_a_re_implementation_is_proven_and_a_wrong_one_is_not(original, tool, tmp_path):
    recorded = record(tool, "--set", "width=8")
    assert recorded.status == 0, recorded.err
    assert "4 cases" in recorded.out
    again = tmp_path / "toy_again.py"
    again.write_text(AGAIN)
    proven = tool("verify_parity", "toynet.json", "--network", again)
    assert proven.status == 0, proven.out + proven.err
    assert "equal" in proven.out
    sys.modules.pop("toy_again")
    MODELS.module_dict.pop("ToyEncoder")
    again.write_text(AGAIN.replace("padding=1", "padding=1, dilation=1, padding_mode='reflect'"))
    wrong = tool("verify_parity", "toynet.json", "--network", again)
    assert wrong.status == 1
    assert "eval 2x3x64x128" in wrong.out


def test_the_figures_are_those_of_the_original(original, tool):
    assert record(tool, "--sizes", "16x24", "--macs-size", "32x64").status == 0
    vector = read_vector("toynet.json")
    import toy_package.net

    network = toy_package.net.ToyNet(classes=5).double().eval()
    kinds = {name: kind for name, _, kind in vector["state"]}
    assert kinds["layer1.0.weight"] == "conv"
    assert kinds["layer1.1.weight"] == "norm_weight"
    assert kinds["layer1.2.weight"] == "prelu"
    state = {name: fill(name, shape, kind, "public") for name, shape, kind in vector["state"]}
    network.load_state_dict(state)
    with torch.no_grad():
        output = network(fill("input", [2, 3, 16, 24], "input", "public"))
    (recorded,) = vector["cases"][0]["outputs"]
    assert recorded["what"] == "full-resolution logits"
    assert recorded["mean"] == pytest.approx(output.mean().item(), rel=1e-11)
    index, value = recorded["samples"][-1]
    assert index == output.numel() - 1
    assert value == pytest.approx(output.flatten()[-1].item(), rel=1e-11)
    assert vector["parameters"] == sum(p.numel() for p in network.parameters())
    assert vector["dropout"] == [["Dropout2d", 0.1]]
    convolutions = 8 * 27 * 16 * 32 + 16 * 72 * 8 * 16 + 5 * 16 * 8 * 16
    assert vector["macs_by_operator"]["conv"] == convolutions


def test_a_file_is_imported_as_a_module_is(original, tool):
    named = tool("record_vector", f"{original}:ToyNet", "--classes", 5, "--out", "toynet.json")
    assert named.status == 0, named.err
    assert json.loads((original.parents[1] / "toynet.json").read_text())["constructor"] == "ToyNet(classes=5)"


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        (("", ""), ["nowhere:Net"], "nowhere cannot be imported"),
        (("", ""), ["toy_package.net:Net"], "toy_package.net has no Net"),
        (("", ""), ["toy_package.net"], "name the network as package.module:Name"),
        (("", ""), ["nowhere.py:Net"], "nowhere.py: no such file"),
        (("classes=19", "outputs=19"), ["toy_package.net:ToyNet"], "write a function build(num_classes)"),
        (("", ""), ["toy_package.net:ToyNet", "--set", "depth=3"], "unexpected keyword argument 'depth'"),
        (("", ""), ["toy_package.net:ToyNet", "--set", "depth"], "give NAME=VALUE"),
        (("", ""), ["toy_package.net:ToyNet", "--sizes", "64"], "a size is HxW"),
        (("return nn", "raise MemoryError('full') or nn"), ["toy_package.net:ToyNet"], "full"),
        (("return nn", "y = y / 0\n        return nn"), ["toy_package.net:ToyNet"], "is not finite"),
        (("(x)))", "(nn.functional.dropout(x, 0.5))))"), ["toy_package.net:ToyNet"], "between two runs"),
    ],
)  # fmt: skip
def test_what_cannot_be_recorded_is_one_line(change, arguments, message, original, tool):
    original.write_text(ORIGINAL.replace(*change) if change[0] else ORIGINAL)
    ended = tool("record_vector", *arguments, "--classes", 5, "--out", "toynet.json")
    assert ended.status == 2
    assert message in ended.err
    assert len(ended.err.strip().splitlines()) == 1
    assert not (original.parents[1] / "toynet.json").exists()


def test_a_file_is_not_overwritten_unasked(original, tool, tmp_path):
    (tmp_path / "toynet.json").write_text("mine")
    assert "--overwrite replaces it" in record(tool).err
    assert (tmp_path / "toynet.json").read_text() == "mine"


def test_a_size_that_is_refused_is_kept_with_its_reason():
    class OnlyEven(nn.Conv2d):
        def forward(self, x):
            if x.shape[2] % 2:
                raise ValueError("odd")
            return super().forward(x)

    recorder = Recorder(OnlyEven(3, 2, 1).double(), 2, "public")
    with pytest.raises(InputError, match="odd"):
        recorder.forward([1, 3, 5, 4], training=False)


def test_kinds_shared_tensors_and_constants():
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.LayerNorm(4)
            self.line = nn.Linear(4, 4)
            self.again = self.line
            self.gate = nn.Parameter(torch.zeros(1))
            self.frozen = nn.Parameter(torch.ones(2), requires_grad=False)
            self.register_buffer("grid", torch.arange(3.0))

    state, aliases = list_state(Mixed())
    assert {name: kind for name, _, kind in state} == {
        "gate": "free",
        "norm.weight": "norm_weight",
        "norm.bias": "norm_bias",
        "line.weight": "linear",
        "line.bias": "bias",
    }
    assert aliases == [("again.weight", "line.weight"), ("again.bias", "line.bias")]


def test_what_outputs_are_called():
    image = torch.zeros(1, 3, 8, 8)
    assert name_output(0, torch.zeros(1, 5, 8, 8), image, 5, 1) == "full-resolution logits"
    assert name_output(0, torch.zeros(1, 5, 4, 4), image, 5, 2) == "output 0: logits"
    assert (
        name_output(1, torch.zeros(1, 5, 8, 8), image, 5, 2) == "output 1: auxiliary logits, full resolution"
    )
    assert name_output(1, torch.zeros(1, 1, 8, 8), image, 5, 2) == "output 1"
