"""SeaFormer: parity with the authors' code."""

from tests.networks.base import NetworkTest


class TestSeaFormerT(NetworkTest):
    """As released for ADE20K."""

    vector = "seaformer_t"


class TestSeaFormerS(NetworkTest):
    """As released."""

    vector = "seaformer_s"
    giant = True
    sibling = True


class TestSeaFormerB(NetworkTest):
    """As released."""

    vector = "seaformer_b"
    giant = True
    sibling = True
