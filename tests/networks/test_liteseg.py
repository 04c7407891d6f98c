"""LiteSeg: parity with the authors' code."""

from tests.networks.base import NetworkTest


class TestLiteSeg(NetworkTest):
    """As released, with MobileNetV2."""

    vector = "liteseg_mobilenet"
    long_parity = True
