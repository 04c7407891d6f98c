"""MiniNet-v2's names in a third party's re-implementation (zh320)."""

from lednet_mm.checkpoints.names import NameTable
from lednet_mm.checkpoints.tables.zh320 import UNIT

TABLES = {
    "zh320_mininetv2": NameTable(
        rules=[
            (r"^d1_2\.", "backbone.stem."),
            (r"^ref\.", "backbone.detail."),
            (r"^m1_10\.", "backbone.middle."),
            (r"^d3\.", "backbone.down."),
            (r"^feature_extractor\.", "backbone.high."),
            (r"^up1\.", "decode_head.up."),
            (r"^m26_29\.", "decode_head.blocks."),
            (r"^output\.", "decode_head.classifier."),
            (r"\.ddw_conv\.", ".dilated."),
            (r"\.dw_conv\.", ".depth."),
            (r"\.pw_conv\.", ".point."),
            *UNIT,
        ],
    ),
}
