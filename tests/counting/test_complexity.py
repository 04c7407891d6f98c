"""Parameters and multiply-adds against the authors' figures, and the counters against each other."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lednet_mm.checkpoints.authors import authors_model, name_table
from lednet_mm.checkpoints.filling import STATISTICS
from lednet_mm.checkpoints.parity import build_model
from lednet_mm.config import Choice, load_config
from lednet_mm.counting.complexity import count_complexity, trainable_parameters
from lednet_mm.counting.counters import Subject, count_by_torch, count_operators
from lednet_mm.counting.counts import Counts
from lednet_mm.deployment.deploy import deploy
from lednet_mm.deployment.inference import Inference
from lednet_mm.errors import InputError
from tests.networks.base import heads_of

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
FACTS = {path.stem: json.loads(path.read_text()) for path in sorted(DATA.glob("*.json"))}
FACTS = {name: facts for name, facts in FACTS.items() if facts.get("macs_by_operator")}


def published(facts: dict) -> tuple[int, int, int]:
    """Return (MACs, height, width) of a reference vector."""
    key = next(key for key in facts if key.startswith("macs_") and "x" in key and facts[key])
    height, width = key.removeprefix("macs_").split("x")
    return facts[key], int(height), int(width)


class Classifier(nn.Module):
    """A network whose output is scores for the whole image, as no other network's is."""

    def __init__(self, model) -> None:
        super().__init__()
        self.model = model

    def forward(self, image):
        return self.model.classify(self.model.extract_feat(image))


def ours(facts: dict) -> nn.Module:
    model = build_model(authors_model(facts["network"]), facts["num_classes"]).eval()
    return Classifier(model) if facts["network"] == "lednet_imagenet" else Inference(model)


class EveryHead(nn.Module):
    """A network with all heads, as some authors' code runs them in evaluation too."""

    def __init__(self, model) -> None:
        super().__init__()
        self.model = model

    def forward(self, image):
        maps = self.model.extract_feat(image)
        return [head(maps) for head in heads_of(self.model)]


EVERY_HEAD = ("stdc1", "stdc2", "cabinet_small", "cabinet_large")
REPARAMETERISED = "counted on the re-parameterised form for inference"
# The map of the deepest auxiliary head, a 3x3 convolution at 1/64, which the authors' code leaves out.
MORE_IN_EVALUATION = {"fanet18": 9 * 512 * 128 * 8 * 16}


def counted_form(name: str, model: nn.Module) -> nn.Module:
    """Return the form of a network that its vector's multiply-adds are of."""
    if name == "lednet_imagenet":
        return Classifier(model)
    if name in EVERY_HEAD:
        return EveryHead(model)
    if FACTS[name].get("macs_note") == REPARAMETERISED:
        return deploy(Inference(model).double(), ((64, 128),)).float()
    return Inference(model)


def compare_with_the_authors(name: str) -> None:
    facts = FACTS[name]
    model = build_model(authors_model(name), facts["num_classes"]).eval()
    unused = {
        tensor: math.prod(shape)
        for tensor, shape, kind in facts["state"]
        if kind not in STATISTICS and name_table(name).rename(tensor) is None
    }
    assert trainable_parameters(model) + sum(unused.values()) == facts["parameters"]
    _, height, width = published(facts)
    counts = Counts()
    network, image = counted_form(name, model).to("meta"), torch.zeros(1, 3, height, width, device="meta")
    with torch.no_grad():
        count_by_torch(Subject(network, image, network, image), counts)
    counted = counts.by_kind("torch")["convolution"] - MORE_IN_EVALUATION.get(name, 0)
    assert counted == pytest.approx(facts["macs_by_operator"]["conv"], rel=1e-3)


LARGE = {name for name, facts in FACTS.items() if facts["parameters"] > 2.5e7}


@pytest.mark.thorough
@pytest.mark.parametrize("name", sorted(FACTS.keys() - LARGE))
def test_parameters_and_products_are_the_authors(name: str):
    compare_with_the_authors(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(LARGE))
def test_parameters_and_products_of_large_networks_are_the_authors(name: str):
    compare_with_the_authors(name)


def compare_totals(facts: dict) -> None:
    macs, height, width = published(facts)
    counts = count_operators(ours(facts), torch.zeros(1, 3, height, width))
    table = dict(facts["macs_by_operator"])
    total = counts.total("fvcore")
    more = counts.counters["fvcore"].get("upsample_bilinear2d", 0) - table.get("upsample_bilinear2d", 0)
    if more == 4 * facts["num_classes"] * height * width:
        total -= more  # the authors' forward ends below the image's size, and ours is counted to its end
    if "matmul" in table:
        assert counts.counters["fvcore"]["matmul"] == table["matmul"]
    assert total == pytest.approx(macs, rel=0.01)
    assert counts.counters["fvcore"]["batch_norm"] == pytest.approx(table["batch_norm"], rel=0.01)


SMALL = [name for name, facts in FACTS.items() if published(facts)[0] < 1.8e9] + ["espnet_encoder"]
SMALL += ["zh320_fanet", "lednet_official"]


@pytest.mark.thorough
@pytest.mark.parametrize("name", SMALL)
def test_macs_are_the_authors(name: str):
    compare_totals(FACTS[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(FACTS.keys() - {*SMALL, "sqnet"}))
def test_macs_of_the_larger_networks_are_the_authors(name: str):
    compare_totals(FACTS[name])


@pytest.mark.thorough
def test_lednet_costs_what_its_authors_network_costs():
    facts = FACTS["lednet_official"]
    config = load_config(
        ROOT / "configs" / "lednet_cityscapes.py", {"model.num_classes": facts["num_classes"]}
    )
    counted = count_complexity(config, (64, 128))
    classifier_of_the_encoder_stage = 128 * 20 + 20
    assert counted.params == counted.params_train == facts["parameters"] - classifier_of_the_encoder_stage


@pytest.mark.thorough
def test_auxiliary_heads_count_in_training_only():
    auxiliary = {
        "type": "FCNHead",
        "in_channels": 128,
        "channels": 128,
        "num_convs": 0,
        "concat_input": False,
    }
    config = load_config(ROOT / "configs" / "lednet_streets.py", {"model.auxiliary_head": auxiliary})
    counted = count_complexity(config, (64, 128))
    assert counted.params_train - counted.params == 128 * 19 + 19


@pytest.mark.thorough
def test_an_upsampling_that_is_not_needed_is_not_counted():
    config = load_config(Choice("erfnet", "camvid"))  # it ends at the image's size
    assert "upsample_bilinear2d" not in count_complexity(config, (64, 96)).counts.counters["fvcore"]
    assert "upsample_bilinear2d" in count_complexity(config, (62, 95)).counts.counters["fvcore"]


def test_a_shape_that_does_not_fit_is_one_line():
    # Without padding, MobileNetV2Share's backbone takes multiples of 8 only.
    config = load_config(Choice("mobilenetv2share", "camvid"), {"model.size_multiple": 1})
    with pytest.raises(InputError, match="multiple") as caught:
        count_complexity(config, (62, 64))
    assert "\n" not in str(caught.value)


class Small(nn.Module):
    """A network with one operator of each kind, whose counts can be computed by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.act = nn.ReLU()
        self.up = nn.ConvTranspose2d(8, 4, 2, stride=2, bias=False)

    def forward(self, x):
        y = self.up(self.act(self.norm(self.conv(x))))
        y = F.relu(y + 1)
        y = torch.matmul(y.flatten(2), y.flatten(2).transpose(1, 2))[:, :, :, None]
        return F.interpolate(y, size=(8, 6), mode="bilinear", align_corners=False).sigmoid()


def test_what_each_counter_counts():
    network = Small().eval()
    counts = count_operators(network, torch.zeros(1, 3, 4, 6))
    conv, norm, up, product = 3 * 8 * 9 * 24, 2 * 8 * 24, 8 * 4 * 4 * 24, 4 * 4 * 96
    outputs, resized = 8 * 24, 4 * 48
    assert counts.counters["fvcore"] == {
        "conv": conv + up,
        "batch_norm": norm,
        "matmul": product,
        "upsample_bilinear2d": 4 * resized,
    }
    assert counts.counters["torch"] == {"convolution": conv + up, "bmm": product}
    assert counts.counters["ptflops_aten"] == {"convolution": conv + up, "bias": outputs, "bmm": product}
    assert counts.counters["ptflops_pytorch"] == {
        "Conv2d": conv,
        "bias": outputs,
        "BatchNorm2d": norm,
        "ReLU": outputs,
        "relu again": outputs,
        "ConvTranspose2d": up,
        "relu": 4 * 96,
        "matmul": product,
        "interpolate": resized,
    }
    assert counts.missed == {
        "fvcore": {"relu": 2, "add": 1, "sigmoid": 1},
        "ptflops_pytorch": {"add": 1, "sigmoid": 1},
        "ptflops_aten": {"batch_norm": 1, "relu": 2, "add": 1, "upsample_bilinear2d": 1, "sigmoid": 1},
        "torch": {"batch_norm": 1, "relu": 2, "add": 1, "upsample_bilinear2d": 1, "sigmoid": 1},
    }
    assert counts.failed == {}


def test_the_explanation_holds_every_difference():
    counts = count_operators(Small().eval(), torch.zeros(1, 3, 4, 6))
    # By hand: convolutions 5184 and 3072, normalisation 384, product 1536, resizing 192 or 768.
    totals = {"fvcore": 10944, "ptflops_pytorch": 11328, "ptflops_aten": 9984, "torch": 9792}
    assert {counter: counts.total(counter) for counter in counts.counters} == totals
    assert counts.by_kind("ptflops_pytorch") == {
        "convolution": 8256,
        "adding the bias": 192,
        "normalisation": 384,
        "activation": 576,
        "counted again": 192,
        "matrix products": 1536,
        "resizing": 192,
    }
    assert counts.spread() == pytest.approx(0.1403509, rel=1e-6)
    lines = counts.explain()
    assert set(lines) == {"ptflops_pytorch", "ptflops_aten", "torch"}
    assert "normalisation not counted" in lines["torch"]
    assert "resizing not counted" in lines["torch"]
    assert "adding the bias counted, not by fvcore" in lines["ptflops_aten"]
    assert "resizing by another rule" in lines["ptflops_pytorch"]


@pytest.mark.thorough
def test_attention_is_counted_and_a_counter_that_fails_is_named():
    config = load_config(Choice("segformer_b0_mmseg", "camvid"))
    counts = count_complexity(config, (64, 96)).counts
    assert set(counts.failed) == {"ptflops_pytorch"}
    assert "unpack" in counts.failed["ptflops_pytorch"]
    # Queries x keys x channels, twice, two blocks per stage; keys at 1/32 in every stage.
    queries, keys = [16 * 24, 8 * 12, 4 * 6, 2 * 3], 2 * 3
    attention = sum(2 * 2 * n * keys * c for n, c in zip(queries, (32, 64, 160, 256), strict=True))
    assert {counts.counters[counter]["bmm"] for counter in counts.counters} == {attention}


def test_a_module_registered_twice_shows_in_the_table():
    shared = nn.ReLU()
    network = nn.Sequential(nn.Conv2d(3, 4, 1), shared, nn.Sequential(nn.Conv2d(4, 4, 1), shared)).eval()
    counts = count_operators(network, torch.zeros(1, 3, 5, 5))
    assert sum(counts.counters["ptflops_pytorch"].values()) == counts.total("ptflops_pytorch")
    assert counts.counters["ptflops_pytorch"]["modules registered in several places again"] > 0
