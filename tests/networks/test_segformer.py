"""SegFormer: parity with the authors' code."""

from tests.networks.base import NetworkTest


class TestSegFormerB0(NetworkTest):
    """As released."""

    vector = "segformer_b0"
