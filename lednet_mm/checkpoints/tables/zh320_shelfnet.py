"""ShelfNet's names in a third party's re-implementation (zh320)."""

from lednet_mm.checkpoints.names import NameTable
from lednet_mm.checkpoints.tables.zh320 import UNIT

TABLES = {
    "zh320_shelfnet": NameTable(
        rules=[
            (r"^conv_([A-D])\.", lambda match: f"decode_head.laterals.{'ABCD'.index(match[1])}."),
            (r"^decoder2\.", "decode_head.up1."),
            (r"^encoder3\.", "decode_head.down."),
            (r"^decoder4\.", "decode_head.up2."),
            (r"\.block_([A-D])\.", lambda match: f".blocks.{'ABCD'.index(match[1])}."),
            # An upsampling is named after the level that it starts from.
            (r"\.up_([B-D])\.", lambda match: f".ups.{'BCD'.index(match[1])}."),
            (r"\.down_([A-C])\.", lambda match: f".downs.{'ABC'.index(match[1])}."),
            (r"^classifier\.", "decode_head.conv_seg."),
            *UNIT,
        ],
    ),
}
