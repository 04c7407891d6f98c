"""SeaFormer: parity with the authors' code."""

from tests.networks.base import NetworkTest


class TestSeaFormerT(NetworkTest):
    """As released for ADE20K."""

    vector = "seaformer_t"
    size = (72, 96)  # two rows at 1/64: attention among a single one has nothing to learn


class TestSeaFormerS(NetworkTest):
    """As released."""

    vector = "seaformer_s"
    size = (72, 96)
    giant = True
    sibling = True


class TestSeaFormerB(NetworkTest):
    """As released."""

    vector = "seaformer_b"
    size = (72, 96)
    giant = True
    sibling = True
