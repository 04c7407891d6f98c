"""The unofficial LEDNet: parity with its code, and its differences from the authors' network."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lednet_mm.checkpoints.authors import authors_model
from lednet_mm.checkpoints.parity import build_model, check_parity, read_vector
from tests.networks.base import DATA, NetworkTest, built, layers


class TestUnofficialLEDNet(NetworkTest):
    """As ``return_model(netG="lednet_128")`` builds it."""

    vector = "lednet_unofficial_128"


def test_the_form_for_larger_images_is_the_same_network():
    vector = read_vector(DATA / "lednet_unofficial_256.json")
    small = [case for case in vector["cases"] if case["input_shape"][0] == 1]
    assert check_parity({**vector, "cases": small}).misses == []


def test_a_block_has_one_slope():
    model = build_model(authors_model("lednet_unofficial_128"), 11)
    slopes = [module.weight.numel() for module in layers(model.backbone, nn.PReLU)]
    assert slopes == [1] * (3 + 13)  # one per downsampling and one per block


@pytest.mark.parametrize("groups", [(2, 2, 2), (4, 4, 8)])
def test_groups_of_the_shuffle_change_the_order_of_channels_alone(groups):
    plain, other = (built(type="UnofficialLEDNet", shuffle_groups=g) for g in ((1, 1, 1), groups))
    other.load_state_dict(plain.state_dict())
    image = torch.randn(1, 3, 32, 32)
    with torch.inference_mode():
        first, second = plain.stages[0][:2](image), other.stages[0][:2](image)
    assert not torch.equal(first, second)
    assert torch.equal(first.flatten(2).sum(-1).sort().values, second.flatten(2).sum(-1).sort().values)
