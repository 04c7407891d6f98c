"""TopFormer: parity with the authors' code."""

from tests.networks.base import NetworkTest


class TestTopFormerT(NetworkTest):
    """As released."""

    vector = "topformer_t"


class TestTopFormerS(NetworkTest):
    """As released for ADE20K."""

    vector = "topformer_s"
    giant = True
    sibling = True


class TestTopFormerB(NetworkTest):
    """As released."""

    vector = "topformer_b"
    giant = True
    sibling = True
