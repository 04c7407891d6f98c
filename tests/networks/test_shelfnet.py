"""ShelfNet: parity with the authors' code."""

from tests.networks.base import NetworkTest


class TestShelfNet18(NetworkTest):
    """As released."""

    vector = "shelfnet18"
    narrow = {
        "model.backbone.channels": (16, 32, 64, 128),
        "model.decode_head.in_channels": 16,
        "model.auxiliary_head.0.in_channels": 32,
        "model.auxiliary_head.1.in_channels": 64,
    }
    kept_norms = 10  # the convolutions of the S-blocks run twice, with other normalisations
