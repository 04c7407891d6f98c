"""ADSCNet's names in a third party's re-implementation (zh320)."""

from lednet_mm.checkpoints.names import NameTable
from lednet_mm.checkpoints.tables.zh320 import UNIT

TABLES = {
    "zh320_adscnet": NameTable(
        rules=[
            (r"^conv0\.", "backbone.stages.0.0."),
            (r"^conv1\.", "backbone.stages.0.1."),
            (r"^conv2_4\.", "backbone.stages.1."),
            (r"^conv5\.", "backbone.stages.2.0."),
            (r"^ddcc\.conv_last\.", "backbone.stages.2.1.fuse."),
            # The first level has no 1x1 convolution before its pooling.
            (r"^ddcc\.block1\.1\.", "backbone.stages.2.1.levels.0.2."),
            (r"^ddcc\.block(\d)\.", lambda match: f"backbone.stages.2.1.levels.{int(match[1]) - 1}."),
            (r"^up", "decode_head.up"),
            # The 1x1 convolutions of a block, and those before a pooling, are plain convolutions, not units.
            (r"(\.conv\.[13]|levels\.\d\.0)\.weight$", r"\1.bare"),
            *UNIT,
            (r"\.bare$", ".weight"),
        ],
    ),
}
