"""Parameters and multiply-adds against the authors' figures in the reference vectors."""

import json
from pathlib import Path

import pytest

from lednet_mm.config import load_config
from lednet_mm.cost.complexity import count_complexity

ROOT = Path(__file__).resolve().parents[2]


def test_lednet_costs_what_its_authors_network_costs():
    facts = json.loads((ROOT / "tests" / "data" / "lednet_official.json").read_text())
    config = load_config(
        ROOT / "configs" / "lednet_cityscapes.py", {"model.num_classes": facts["num_classes"]}
    )
    counted = count_complexity(config, (512, 1024))
    classifier_of_the_encoder_stage = 128 * 20 + 20
    assert counted.params == counted.params_train == facts["parameters"] - classifier_of_the_encoder_stage
    assert counted.macs == pytest.approx(facts["macs_512x1024"], rel=0.01)
    assert counted.counters["fvcore"]["conv"] == pytest.approx(facts["macs_by_operator"]["conv"], rel=1e-3)


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
