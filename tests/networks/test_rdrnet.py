"""RDRNet: parity with the authors' code."""

from tests.networks.base import NetworkTest


class TestRDRNetSSimple(NetworkTest):
    """As released."""

    vector = "rdrnet_s_simple"
    narrow = {
        "model.backbone.channels": 8,
        "model.decode_head.in_channels": 32,
        "model.auxiliary_head.in_channels": 16,
    }
    kept_norms = 8


class TestRDRNetS(TestRDRNetSSimple):
    """As released, with a wider head."""

    vector = "rdrnet_s"
    giant = True
    sibling = True


class TestRDRNetM(TestRDRNetS):
    """As released, of twice as many channels."""

    vector = "rdrnet_m"


class TestRDRNetL(TestRDRNetS):
    """As released, of more blocks."""

    vector = "rdrnet_l"
    kept_norms = 9
