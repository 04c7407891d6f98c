"""Every ablation config changes what it names, and nothing else."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from mmseg.registry import MODELS
from torch import nn

from lednet_mm.config import load_config

ABLATIONS = Path(__file__).resolve().parents[1] / "configs/ablations"
FILES = sorted(path.stem for path in ABLATIONS.glob("lednet_*.py"))

# The keys of the resolved config in which an ablation may differ from its base.
CHANGES = {
    "apn128": {"model.decode_head.pyramid_width"},
    "common_recipe": {
        *("data_preprocessor", "model.data_preprocessor"),
        *("optim_wrapper", "train_cfg", "default_hooks.checkpoint.interval"),
    },
    "encoder_first": {"model.auxiliary_head", "custom_hooks", "find_unused_parameters"},
    "no_apn": {"model.decode_head.attention_pyramid"},
    "no_bias": {"model.backbone.bias", "model.decode_head.bias"},
    "no_bn": {"model.backbone.norm_cfg", "model.decode_head.norm_cfg"},
    "no_dilation": {"model.backbone.dilations"},
    "no_dropout": {"model.backbone.dropout_ratio"},
    "no_global_pooling": {"model.decode_head.global_pooling"},
    "no_shuffle": {"model.backbone.shuffle"},
    "no_split": {"model.backbone.split"},
    "prelu": {"model.backbone.act_cfg", "model.decode_head.act_cfg"},
    "prelu_encoder": {"model.backbone.act_cfg"},
    "transposed_upsampling": {"model.decode_head.upsampling"},
    "unofficial": {
        *("model.backbone.act_cfg", "model.backbone.dropout_ratio", "model.backbone.norm_cfg"),
        *("model.decode_head.pyramid_width", "model.decode_head.norm_cfg"),
        *("model.num_classes", "model.class_weight", "model.data_preprocessor.size"),
        *("train_pipeline", "train_dataloader.dataset.pipeline"),
        *("val_evaluator.num_outputs", "test_evaluator.num_outputs"),
    },
    "unweighted_loss": {"model.class_weight"},
}

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
    "unofficial": {"ReLU": -(13 * 7 + 3), "PReLU": 13 * 7 + 3},
    "unweighted_loss": {},
}

# Same weights, another function: the output changes although no layer does.
SAME_WEIGHTS = {"no_dilation": True, "no_shuffle": True, "no_dropout": False, "encoder_first": False}


def variant_of(stem: str) -> str:
    return stem.removeprefix("lednet_").rsplit("_", 1)[0]


def flat(content: dict, prefix: str = "") -> dict:
    """Return a nested mapping as ``{"a.b.c": value}``."""
    values = {}
    for key, value in content.items():
        if isinstance(value, dict) and value:
            values.update(flat(value, f"{prefix}{key}."))
        else:
            values[prefix + key] = value
    return values


def pair(stem: str) -> tuple:
    config = load_config(ABLATIONS / f"{stem}.py")
    return config, load_config(ABLATIONS.parent / f"lednet_{stem.rsplit('_', 1)[1]}.py")


def inference(config) -> nn.Module:
    torch.manual_seed(0)
    model = MODELS.build(config.model).eval()
    if model.with_auxiliary_head:
        del model.auxiliary_head
    return model


@pytest.mark.parametrize("stem", FILES)
def test_it_changes_the_keys_of_its_question_and_no_other(stem):
    config, base = pair(stem)
    assert config.variant == variant_of(stem)
    assert config.network == base.network == "lednet"
    changed, plain = flat(config.to_dict()), flat(base.to_dict())
    differing = {key for key in changed | plain if changed.get(key, "absent") != plain.get(key, "absent")}
    # A changed activation is ``act_cfg.type``: what counts is whose argument it is.
    roots = CHANGES[config.variant] | {"variant"}
    assert {key for key in differing if not any(f"{key}.".startswith(f"{root}.") for root in roots)} == set()
    assert {root for root in roots if not any(f"{key}.".startswith(f"{root}.") for key in differing)} == set()


@pytest.mark.parametrize("stem", [stem for stem in FILES if stem.endswith("_streets")])
def test_it_changes_the_layers_that_it_names(stem):
    config, base = pair(stem)
    with torch.device("meta"):
        changed, plain = inference(config), inference(base)
    kinds = Counter(type(m).__name__ for m in changed.modules() if not list(m.children()))
    kinds.subtract(type(m).__name__ for m in plain.modules() if not list(m.children()))
    counted = ("Conv2d", "ConvTranspose2d", "BatchNorm2d", "ReLU", "PReLU", "Dropout2d")
    assert {kind: kinds[kind] for kind in counted if kinds[kind]} == LAYERS[config.variant]


@pytest.mark.parametrize(("variant", "differs"), SAME_WEIGHTS.items())
def test_with_the_same_weights_only_what_it_names_computes_differently(variant, differs):
    config, base = pair(f"lednet_{variant}_streets")
    changed, plain = inference(config), inference(base)
    changed.load_state_dict(plain.state_dict())
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(changed.logits(image), plain.logits(image)) != differs


def test_both_datasets_have_the_same_ablations():
    only_streets = {"unofficial"}
    variants = {
        dataset: {variant_of(s) for s in FILES if s.endswith(dataset)} for dataset in ("camvid", "streets")
    }
    assert variants["streets"] - variants["camvid"] == only_streets
    assert variants["camvid"] <= variants["streets"]
