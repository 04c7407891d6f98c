"""ShelfNet's names in a third party's re-implementation (zh320)."""

from lednet_mm.checkpoints.names import AuthorsNetwork
from lednet_mm.checkpoints.tables.zh320 import REPOSITORY, THIRD_PARTY, UNIT

NETWORKS = {
    "zh320_shelfnet": AuthorsNetwork(
        title="ShelfNet-18 (re-implementation by zh320)",
        paper="arXiv:1811.11254",
        repository=REPOSITORY,
        deviations=[
            THIRD_PARTY,
            "16.04 M parameters, the paper 23.5 M.",
            "The two convolutions of a residual block do not share weights, and have no dropout between.",
        ],
        model={"backbone": {"type": "ResNet", "depth": 18}, "decode_head": {"type": "ShelfNetHead"}},
        rules=[
            (r"^conv_([A-D])\.", lambda match: f"decode_head.laterals.{'ABCD'.index(match[1])}."),
            (r"^decoder2\.", "decode_head.up1."),
            (r"^encoder3\.", "decode_head.down."),
            (r"^decoder4\.", "decode_head.up2."),
            (r"\.block_([A-D])\.", lambda match: f".blocks.{'ABCD'.index(match[1])}."),
            # An upsampling has the name of the level that it leaves.
            (r"\.up_([B-D])\.", lambda match: f".ups.{'BCD'.index(match[1])}."),
            (r"\.down_([A-C])\.", lambda match: f".downs.{'ABC'.index(match[1])}."),
            (r"^classifier\.", "decode_head.conv_seg."),
            *UNIT,
        ],
    ),
}
