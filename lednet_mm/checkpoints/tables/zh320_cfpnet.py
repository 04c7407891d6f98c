"""CFPNet's names in a third party's re-implementation (zh320)."""

from lednet_mm.checkpoints.names import NameTable
from lednet_mm.checkpoints.tables.zh320 import UNIT

TABLES = {
    "zh320_cfpnet": NameTable(
        rules=[
            (r"^conv_init\.", "backbone.stages.0."),
            (r"^downsample(\d)\.", r"backbone.stages.\1.0."),
            (r"^cfp(\d)\.(\d)\.", lambda match: f"backbone.stages.{match[1]}.{int(match[2]) + 1}."),
            (r"^seg_head\.", "decode_head.conv_seg."),
            (r"\.conv_init\.", ".reduce."),
            (r"\.conv_last\.", ".fuse."),
            (r"\.layers\.(\d)\.", r".pyramids.\1."),
            (r"\.block(\d)\.", lambda match: f".levels.{int(match[1]) - 1}."),
            (r"\.2\.activation\.", ".act."),
            *UNIT,
        ],
    ),
}
