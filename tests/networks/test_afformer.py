"""AFFormer: parity with the authors' code."""

from tests.networks.base import NetworkTest


class TestAFFormerTiny(NetworkTest):
    """As released."""

    vector = "afformer_tiny"


class TestAFFormerSmall(NetworkTest):
    """As released."""

    vector = "afformer_small"
    giant = True
    sibling = True


class TestAFFormerBase(NetworkTest):
    """As released."""

    vector = "afformer_base"
    giant = True
    sibling = True
