"""LEDNet's ImageNet classifier: parity, a step of training, and its encoder in a segmentor."""

from pathlib import Path

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmseg.registry import MODELS

from lednet_mm.checkpoints.authors import authors_model, name_table
from lednet_mm.checkpoints.convert import convert_checkpoint
from lednet_mm.checkpoints.initial import initial_weights, load_initial
from lednet_mm.checkpoints.parity import build_model, check_parity, fill, read_vector
from lednet_mm.checkpoints.reading import read_checkpoint
from lednet_mm.config import load_config
from tests.networks.base import DATA

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


@pytest.fixture
def model():
    torch.manual_seed(0)
    return build_model(authors_model("lednet_imagenet"), num_classes=7)


def test_parity_with_the_authors():
    facts = read_vector(DATA / "lednet_imagenet.json")
    result = check_parity(facts)
    assert result.misses == []
    assert len(result.errors) == len(facts["cases"])


@torch.inference_mode()
def test_sizes_that_the_authors_refuse(model):
    assert model.eval()(torch.randn(2, 3, 75, 133)).shape == (2, 7)


def test_a_step_of_mmengine(model):
    # With one image per class, a few steps must lower the loss.
    batch = [torch.randn(7, 3, 32, 32), torch.arange(7)]
    wrapper = OptimWrapper(torch.optim.Adam(model.parameters(), 2e-3))
    losses = [model.train_step(batch, wrapper)["loss"].item() for _ in range(4)]
    assert losses[-1] < losses[0]


@torch.inference_mode()
def test_modes(model):
    images = torch.randn(2, 3, 32, 32)
    scores = model.eval()(images)
    first, second = model(images, mode="predict")
    assert torch.allclose(torch.stack([first, second]).log(), scores.log_softmax(1), atol=1e-5)
    assert model(images, torch.tensor([1, 2]), mode="loss")["loss_ce"] == pytest.approx(
        -(first[1].log() + second[2].log()).item() / 2, rel=1e-4
    )


def test_the_authors_weights_start_a_training(tmp_path):
    """From their file to an initialised segmentor, as the docstring of the network says."""
    facts = read_vector(DATA / "lednet_imagenet.json")
    state = {name: fill(name, shape, kind, "test").float() for name, shape, kind in facts["state"]}
    torch.save(state, tmp_path / "authors.pth")
    convert_checkpoint("lednet_imagenet", tmp_path / "authors.pth", tmp_path / "ours.pth")
    segmentor = MODELS.build(load_config(CONFIGS / "lednet_camvid.py").model)
    converted = read_checkpoint(tmp_path / "ours.pth")
    load_initial(segmentor, initial_weights(converted, "ours.pth", segmentor.state_dict()), "ours.pth")
    renamed = {name_table("lednet_imagenet").rename(name): tensor for name, tensor in state.items()}
    for name, tensor in segmentor.backbone.state_dict().items():
        assert name.endswith("num_batches_tracked") or torch.equal(tensor, renamed[f"backbone.{name}"])


def test_another_encoder():
    small = {"type": "LEDNet", "channels": (16, 32, 64), "norm_cfg": None}
    network = MODELS.build(
        {"type": "LEDNetClassifier", "num_classes": 5, "backbone": small, "in_channels": 64}
    )
    assert network(torch.randn(1, 3, 32, 32)).shape == (1, 5)
