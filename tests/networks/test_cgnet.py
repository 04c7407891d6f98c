"""CGNet: MMSegmentation's, as configured here, is its authors' network."""

import torch
from torch import nn

from lednet_mm.checkpoints.authors import authors_network
from lednet_mm.checkpoints.parity import build_model
from lednet_mm.config import Choice, load_config
from lednet_mm.cost.inference import build_network
from tests.networks.base import NetworkTest, layers


class TestCGNet(NetworkTest):
    """As released."""

    vector = "cgnet"


def test_the_config_builds_the_proven_network():
    ours, proven = (
        build_network(load_config(Choice("cgnet", "camvid"))),
        build_model(authors_network("cgnet"), 11).eval(),
    )
    ours.load_state_dict(proven.state_dict())
    image = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        assert torch.equal(ours.logits(image), proven.logits(image))


def test_it_starts_as_the_authors_network_does():
    torch.manual_seed(0)
    model = build_network(load_config(Choice("cgnet", "camvid")))
    model.init_weights()
    assert {slope for m in layers(model, nn.PReLU) for slope in m.weight.unique().tolist()} == {0.25}
    for conv in (model.backbone.level1[0].conv1x1.conv, model.decode_head.conv_seg):
        deviation = (2 / conv.weight[0].numel()) ** 0.5  # Kaiming, by the inputs
        assert abs(conv.weight.std().item() / deviation - 1) < 0.05
