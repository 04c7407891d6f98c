"""The common checks of networks work without a vector, and find the faults for which they were written."""

from importlib import import_module
from pkgutil import iter_modules

import pytest
import torch
from mmseg.registry import MODELS
from torch import nn

from lednet_mm import catalog
from lednet_mm.cards import card_of_vector, network_cards
from lednet_mm.catalog import network_files
from tests import networks
from tests.networks.base import NetworkTest

NETWORKS = network_files()

CONFIG = """
model = dict(
    type="Segmentor",
    backbone=dict(type="ToyBackbone"),
    decode_head=dict(type="ClassifierHead", in_channels=8),
)
"""
CARD = """
from lednet_mm.cards import Card
CARD = Card(name="toy", title="Toy", paper="none", repository="none", unused=["backbone.spare.*"])
"""


@MODELS.register_module()
class ToyBackbone(nn.Module):
    """A backbone of two convolutions, and a third one that nothing uses."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.spare = nn.Conv2d(8, 8, 1)

    def forward(self, x):
        return (self.second(self.first(x).relu()),)


@pytest.fixture(scope="module", autouse=True)
def _toy(tmp_path_factory):
    """A config and a card of the toy network."""
    folder = tmp_path_factory.mktemp("toy")
    configs, cards = folder / "configs" / "_base_" / "networks", folder / "cards"
    for place, text in ((configs, CONFIG), (cards, CARD)):
        place.mkdir(parents=True)
        (place / "toy.py").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog, "CONFIGS", folder / "configs")
        patch.setattr("tests.networks.base.network_cards", lambda: network_cards(cards))
        yield


def test_every_network_has_a_class():
    found = [
        import_module(f"{networks.__name__}.{module.name}") for module in iter_modules(networks.__path__)
    ]
    classes = {value for module in found for value in vars(module).values() if isinstance(value, type)}
    tested = [kind for kind in classes if issubclass(kind, NetworkTest) and kind.__name__.startswith("Test")]
    names = {kind.network or card_of_vector(kind.vector).name for kind in tested}
    assert names - {TestToy.network} == NETWORKS.keys()


class TestToy(NetworkTest):
    """The toy network passes all checks but parity, which is skipped with the reason."""

    network = "toy"


class _Toy(NetworkTest):
    network = "toy"


def changed(change) -> nn.Module:
    torch.manual_seed(0)
    model = _Toy().build()
    change(model.backbone)
    return model


def test_a_parameter_that_nothing_uses_is_found():
    model = changed(lambda backbone: setattr(backbone, "other", nn.Conv2d(1, 1, 1)))
    with pytest.raises(AssertionError, match=r"other\.weight gets no gradient"):
        _Toy().test_every_parameter_gets_a_gradient(model)


def test_a_parameter_without_influence_is_found(monkeypatch):
    build = _Toy.build

    def without_influence(self):
        model = build(self)
        nn.init.zeros_(model.backbone.second.weight)
        return model

    monkeypatch.setattr(_Toy, "build", without_influence)
    with pytest.raises(AssertionError, match=r"gradient of .*backbone\.first\.weight.* is 0"):
        _Toy().test_every_parameter_gets_a_gradient(_Toy().build())


def test_a_card_that_calls_a_used_parameter_unused_is_found():
    def use_spare(backbone):
        backbone.second.register_forward_hook(lambda module, inputs, output: backbone.spare(output))

    model = changed(use_spare)
    with pytest.raises(AssertionError, match=r"spare\.weight is used: see the card"):
        _Toy().test_every_parameter_gets_a_gradient(model)


def test_a_tensor_made_on_the_cpu_is_found():
    def on_cpu(x):
        return x + torch.ones(x.shape)

    model = changed(lambda backbone: backbone.second.register_forward_hook(lambda m, i, y: on_cpu(y)))
    with pytest.raises(RuntimeError, match="device"):
        _Toy().test_every_tensor_is_made_on_the_device_of_the_images(model)


def test_a_value_that_a_gpu_would_have_to_wait_for_is_found():
    def wait(x):
        return x[x > 0].sum() + x

    model = changed(lambda backbone: backbone.second.register_forward_hook(lambda m, i, y: wait(y)))
    with pytest.raises((RuntimeError, NotImplementedError)):
        _Toy().test_every_tensor_is_made_on_the_device_of_the_images(model)
