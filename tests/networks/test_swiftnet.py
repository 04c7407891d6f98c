"""SwiftNet: parity with the authors' code."""

from tests.networks.base import NetworkTest


class TestSwiftNet(NetworkTest):
    """As released, with one scale."""

    vector = "swiftnet_rn18"
    narrow = {"model.backbone.base_channels": 16, "model.decode_head.in_channels": (16, 32, 64, 128)}
    kept_norms = 8


class TestSwiftNetPyramid(NetworkTest):
    """As released, with a pyramid of images."""

    vector = "swiftnet_rn18_pyramid"
    narrow = {"model.backbone.channels": (16, 32, 64, 128)}
    kept_norms = 56  # each convolution runs once for every level, with other normalisations
