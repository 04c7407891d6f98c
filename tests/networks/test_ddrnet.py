"""DDRNet: parity with the authors' code, and what its exchange of maps adds."""

import pytest
import torch

from lednet_mm.networks.ddrnet import Exchange
from tests.networks.base import NetworkTest

OPTIONS = {"norm_cfg": {"type": "BN"}, "act_cfg": {"type": "ReLU"}}


class TestDDRNet23Slim(NetworkTest):
    """As released."""

    vector = "ddrnet23_slim"
    narrow = {
        "model.backbone.channels": 8,
        "model.decode_head.in_channels": 32,
        "model.auxiliary_head.in_channels": 16,
    }
    kept_norms = 11


class TestDDRNet23(NetworkTest):
    """As released, of twice as many channels."""

    vector = "ddrnet23"
    narrow = TestDDRNet23Slim.narrow
    kept_norms = 11
    giant = True
    sibling = True


class TestDDRNet39(NetworkTest):
    """As released, of twice as many channels and more blocks."""

    vector = "ddrnet39"
    narrow = TestDDRNet23Slim.narrow
    kept_norms = 11
    giant = True
    sibling = True


@pytest.mark.parametrize("rectify_sums", [False, True])
def test_an_exchange_adds_rectified_maps_to_sums_that_may_be_negative(rectify_sums):
    exchange = Exchange(8, 4, 1, rectify_sums=rectify_sums, **OPTIONS).eval()
    for part in (exchange.compress, exchange.down):
        for parameter in part.parameters():
            torch.nn.init.zeros_(parameter)
    deep, fine = torch.randn(1, 8, 4, 6), torch.randn(1, 4, 8, 12)
    with torch.inference_mode():
        for sent, received in zip((deep, fine), exchange(deep, fine), strict=True):
            assert torch.equal(received, sent.relu() if rectify_sums else sent)
