"""RegSeg: parity with the authors' code."""

from tests.networks.base import NetworkTest


class TestRegSeg(NetworkTest):
    """As released."""

    vector = "regseg"


class TestLargerRegSeg(NetworkTest):
    """The larger version of the repository."""

    vector = "regseg_large"
    giant = True
    sibling = True
