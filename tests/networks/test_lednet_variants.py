"""LEDNet's variants change the layers that they name; a table written by hand from the paper's structure."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from mmseg.registry import MODELS
from torch import nn

from lednet_mm.catalog import variants_of
from lednet_mm.config import Choice, load_config

# What a network in inference gains (+) and loses (-) in layers by each ablation.
LAYERS = {
    "apn128": {},
    "encoder_first": {},
    "no_apn": {"Conv2d": -8 + 1, "BatchNorm2d": -8, "ReLU": -8},
    "no_bias": {},
    "no_bn": {"BatchNorm2d": -(13 * 4 + 3 + 8)},
    "no_dilation": {},
    "no_dropout": {},
    "no_global_pooling": {"Conv2d": -1, "BatchNorm2d": -1, "ReLU": -1},
    "no_shuffle": {},
    "no_split": {"Conv2d": -13 * 4, "BatchNorm2d": -13 * 2, "ReLU": -13 * 3},
    "prelu": {"ReLU": -(13 * 7 + 3 + 8), "PReLU": 13 * 7 + 3 + 8},
    "prelu_encoder": {"ReLU": -(13 * 7 + 3), "PReLU": 13 * 7 + 3},
    "transposed_upsampling": {"ConvTranspose2d": 3, "BatchNorm2d": 2, "ReLU": 2},
    "unweighted_loss": {},
}

# Same weights, another function: the output changes although no layer does.
SAME_WEIGHTS = {"no_dilation": True, "no_shuffle": True, "no_dropout": False, "encoder_first": False}


def inference(variant: str | None) -> nn.Module:
    torch.manual_seed(0)
    model = MODELS.build(load_config(Choice("lednet", "streets", variant=variant)).model).eval()
    if model.with_auxiliary_head:
        del model.auxiliary_head
    return model


def test_what_the_table_names_are_variants():
    assert LAYERS.keys() <= variants_of("lednet").keys()


@pytest.mark.parametrize("variant", LAYERS)
def test_it_changes_the_layers_that_it_names(variant):
    with torch.device("meta"):
        changed, plain = inference(variant), inference(None)
    kinds = Counter(type(m).__name__ for m in changed.modules() if not list(m.children()))
    kinds.subtract(type(m).__name__ for m in plain.modules() if not list(m.children()))
    counted = ("Conv2d", "ConvTranspose2d", "BatchNorm2d", "ReLU", "PReLU", "Dropout2d")
    assert {kind: kinds[kind] for kind in counted if kinds[kind]} == LAYERS[variant]


@pytest.mark.parametrize(("variant", "differs"), SAME_WEIGHTS.items())
def test_with_the_same_weights_only_what_it_names_computes_differently(variant, differs):
    changed, plain = inference(variant), inference(None)
    changed.load_state_dict(plain.state_dict())
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(changed.logits(image), plain.logits(image)) != differs
