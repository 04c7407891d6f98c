"""RegSeg's names in a third party's re-implementation (zh320)."""

from lednet_mm.checkpoints.names import NameTable
from lednet_mm.checkpoints.tables.zh320 import UNIT

TABLES = {
    "zh320_regseg": NameTable(
        rules=[
            (r"^decoder\.", "decode_head."),
            (r"head\.conv_d16", "head.project_deep"),
            (r"head\.conv_d8_stage1", "head.project_middle"),
            (r"head\.conv_d4_stage1", "head.project_low"),
            (r"head\.conv_d8_stage2", "head.fuse_middle"),
            (r"head\.conv_d4_stage2\.0", "head.fuse_low"),
            (r"head\.conv_d4_stage2\.1", "head.classifier"),
            (r"^conv_init\.", "backbone.stem."),
            (r"^stage_d4\.", "backbone.stages.0.0."),
            (r"^stage_d8\.", "backbone.stages.1."),
            (r"^stage_d16\.", "backbone.stages.2."),
            (r"conv_left", "branches.0"),
            (r"conv_right", "branches.1"),
            (r"conv_skip\.1", "shortcut.project"),
            (r"conv2\.0\.se_block\.0", "se.squeeze"),
            (r"conv2\.0\.se_block\.2", "se.excite"),
            (r"conv2\.1", "conv2"),
            *UNIT,
        ],
    ),
}
