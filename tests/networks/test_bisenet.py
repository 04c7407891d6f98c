"""BiSeNetV1 and V2: parity with CoinCheung's code, and what MMSegmentation's do otherwise."""

import torch
from mmengine.config import Config

from lednet_mm.checkpoints.authors import authors_model
from tests.networks.base import NetworkTest, built


class TestBiSeNetV1(NetworkTest):
    """As CoinCheung has it, with ResNet-18."""

    vector = "bisenetv1"


class TestBiSeNetV2(NetworkTest):
    """As CoinCheung has it."""

    vector = "bisenetv2"


def test_mmsegmentations_gate_is_never_below_a_half():
    config = Config(authors_model("bisenetv1")["backbone"])
    images = torch.randn(1, 3, 64, 64)
    for kind, least in (("BiSeNetV1", 0.5), ("PlainGateBiSeNetV1", 0.0)):
        network = built(**{**config, "type": kind})
        gates = []
        network.ffm.conv_atten.register_forward_hook(lambda *call, gates=gates: gates.append(call[2]))
        with torch.inference_mode():
            network(images)
        assert (gates[0].min().item() >= 0.5) == (least == 0.5)
