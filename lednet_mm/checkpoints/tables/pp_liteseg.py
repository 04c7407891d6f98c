"""PP-LiteSeg's names in a third party's re-implementation (zh320)."""

from lednet_mm.checkpoints.names import NameTable
from lednet_mm.checkpoints.tables.zh320 import UNIT

TABLES = {
    "zh320_pp_liteseg": NameTable(
        rules=[
            (r"^encoder\.encoder\.stage1\.", "backbone.stem.0."),
            (r"^encoder\.encoder\.stage2\.", "backbone.stem.1."),
            (r"^encoder\.encoder\.stage(\d)\.", lambda m: f"backbone.stages.{int(m[1]) - 3}."),
            (r"block(\d)\.", r"conv\1."),
            (r"^sppm\.pool(\d)\.1\.", lambda m: f"decode_head.context.branches.{int(m[1]) - 1}."),
            (r"^sppm\.conv", "decode_head.context.conv"),
            (r"^decoder\.stage(\d)", lambda m: f"decode_head.conv{int(m[1]) - 5}"),
            (r"^decoder\.fusion(\d)\.conv", r"decode_head.fusion\1.project"),
            (r"^decoder\.(fusion\d\.attention)\.conv", r"decode_head.\1"),
            (r"^decoder\.seg_head", "decode_head.classifier"),
            *UNIT,
        ],
    ),
}
