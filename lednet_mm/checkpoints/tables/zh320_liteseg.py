"""LiteSeg's names in a third party's re-implementation (zh320)."""

from lednet_mm.checkpoints.names import NameTable
from lednet_mm.checkpoints.tables.zh320 import UNIT, mobilenet_v2

TABLES = {
    "zh320_liteseg": NameTable(
        rules=[
            *mobilenet_v2("backbone", "backbone"),
            (r"^daspp\.stage([1-4])\.", lambda match: f"decode_head.context.branches.{int(match[1]) - 1}."),
            # The 1x1 convolution of the global mean and the classifier are plain convolutions, not units.
            (r"^daspp\.stage5\.1\.weight$", "decode_head.context.pooled.bare"),
            (r"^daspp\.conv\.", "decode_head.context.join."),
            (r"^seg_head\.2\.", "decode_head.conv_seg."),
            (r"^seg_head\.", "decode_head.fuse."),
            *UNIT,
            (r"\.bare$", ".weight"),
        ],
    ),
}
