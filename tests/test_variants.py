"""Every variant in configs/ablations asks a question, and changes only what its name says."""

from __future__ import annotations

import inspect
from collections import Counter
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from lednet_mm.catalog import network_files, variants_of
from lednet_mm.config import Choice, load_config

pytestmark = pytest.mark.thorough

FIVE_CLASSES = {"model.num_classes": 5, "model.class_weight": [1.0, 2.0, 1.0, 3.0, 1.0]}


VARIANTS = {
    (network, name): variant for network in network_files() for name, variant in variants_of(network).items()
}
every_variant = pytest.mark.parametrize(
    ("network", "entry"),
    [pytest.param(network, entry, id=f"{network}-{name}") for (network, name), entry in VARIANTS.items()],
)


def config_of(network: str, change: dict[str, Any]) -> Config:
    return load_config(Choice(network, "camvid"), {**FIVE_CLASSES, **change})


def built(config: Config) -> nn.Module:
    torch.manual_seed(0)
    return MODELS.build(config.model).train()


def loss_of(model: nn.Module) -> Tensor:
    """Return the loss on one batch; the same images, labels and dropped channels every time."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(2, 3, 64, 128, generator=generator)
    labels = torch.randint(0, 5, (2, 1, 64, 128), generator=generator)
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]
    torch.manual_seed(2)
    return sum(value for name, value in model.loss(images, samples).items() if "loss" in name)


def copy_where_they_agree(source: nn.Module, target: nn.Module) -> None:
    theirs = target.state_dict()
    agreeing = {
        name: value
        for name, value in source.state_dict().items()
        if name in theirs and theirs[name].shape == value.shape
    }
    target.load_state_dict(agreeing, strict=False)


def kinds(model: nn.Module) -> Counter:
    return Counter(type(module).__name__ for module in model.modules())


def shapes(model: nn.Module) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in model.state_dict().items()}


def arguments(kind: type) -> set[str]:
    """Return the arguments of a class, and those of the classes to which it passes further arguments."""
    names: set[str] = set()
    for owner in inspect.getmro(kind):
        if "__init__" not in vars(owner):
            continue
        parameters = inspect.signature(owner).parameters.values()
        names |= {p.name for p in parameters if p.kind is not p.VAR_KEYWORD}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return names


def flat(content: dict, prefix: str = "") -> dict:
    """Return a nested mapping as ``{"a.b.c": value}``."""
    values = {}
    for key, value in content.items():
        if isinstance(value, dict) and value:
            values.update(flat(value, f"{prefix}{key}."))
        else:
            values[prefix + key] = value
    return values


def within(key: str, roots: set[str]) -> bool:
    return any(f"{key}.".startswith(f"{root}.") for root in roots)


def test_there_are_variants_of_several_networks():
    networks = Counter(network for network, _ in VARIANTS)
    assert {"cgnet", "dabnet", "edanet", "enet", "erfnet", "espnet", "fastscnn"} <= set(networks)
    assert min(networks.values()) >= 3


@every_variant
def test_it_says_what_is_asked_claimed_and_expected(network, entry):
    for key in ("question", "claim", "expectation"):
        assert len(getattr(entry, key).split()) >= 2, key
    assert entry.question.endswith("?")
    assert entry.change


@every_variant
def test_each_key_is_an_argument_of_the_class_that_it_reaches(network, entry):
    config = config_of(network, entry.change)
    for key in entry.change:
        first, *below = key.split(".")
        if first != "model":
            assert first in config
            continue
        part = config.model
        while len(below) > 1 and isinstance(part.get(below[0]), dict) and "type" in part[below[0]]:
            part = part[below.pop(0)]
        assert below[0] == "type" or below[0] in arguments(MODELS.get(part.type)), key


@every_variant
def test_it_changes_the_keys_that_it_names_and_no_other(network, entry):
    changed, plain = (flat(config_of(network, change).to_dict()) for change in (entry.change, {}))
    differing = {key for key in changed | plain if changed.get(key, "absent") != plain.get(key, "absent")}
    differing -= {"variant"}
    named = set(entry.change)
    assert {key for key in differing if not within(key, named)} == set()
    assert {key for key in named if not any(within(d, {key}) for d in differing)} == set()


@every_variant
def test_it_learns_with_every_parameter(network, entry):
    config = config_of(network, entry.change)
    model = built(config)
    loss = loss_of(model)
    assert loss.isfinite()
    loss.backward()
    if not config.get("find_unused_parameters"):
        assert [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None] == []


@every_variant
def test_it_differs_from_the_network_in_what_it_names_alone(network, entry):
    change = entry.change
    if not within("model", {key.split(".")[0] for key in change}):
        return  # it is about the training
    plain, changed = built(config_of(network, {})), built(config_of(network, change))
    copy_where_they_agree(plain, changed)
    same_layers = kinds(plain) == kinds(changed) and shapes(plain) == shapes(changed)
    with torch.no_grad():
        before = loss_of(plain)
        assert torch.equal(before, loss_of(plain))
        assert not same_layers or not torch.equal(before, loss_of(changed))
    named = {".".join(key.split(".")[:2]) for key in change}
    for part in ("backbone", "decode_head"):
        if f"model.{part}" not in named:
            assert str(getattr(plain, part)) == str(getattr(changed, part))
