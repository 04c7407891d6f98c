"""What the tests of exported files have in common: a grey network, and weights of a config."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lednet_mm.config import load_config
from lednet_mm.deployment.inference import build_network, input_channels

GREY = (
    "load = [dict(type='LoadImage', color_type='grayscale'), dict(type='LoadLabels')]",
    "model['backbone'].update(in_channels=1)",
    "model['data_preprocessor'].update(mean=[100.0], std=[50.0], bgr_to_rgb=False)",
    "val_dataloader['dataset']['pipeline'] = [*load, dict(type='PackSegInputs')]",
    "test_dataloader = val_dataloader",
)
"""Lines of a small config whose network takes grey images."""


@pytest.fixture
def weights(tmp_path) -> Callable[[Path], Path]:
    """Write weights of a config's network whose statistics are those of random images."""

    def write(config: Path) -> Path:
        torch.manual_seed(0)
        model = build_network(load_config(config))
        model.train()(torch.randn(2, input_channels(model), 64, 128))
        path = tmp_path / "weights.pth"
        torch.save({"state_dict": model.state_dict()}, path)
        return path

    return write
