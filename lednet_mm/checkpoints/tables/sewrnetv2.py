"""SEWideResNetV2's names."""

from lednet_mm.checkpoints.names import NameTable
from lednet_mm.checkpoints.tables.lightnet import ASPP, SE

TABLES = {
    "sewrnetv2": NameTable(
        rules=[
            (r"^mod1\.conv1\.", "backbone.stem."),
            (r"^bn_out\.bn\.", "backbone.norm_act.norm."),
            (
                r"^mod(\d)\.block(\d)\.",
                lambda match: f"backbone.stages.{int(match[1]) - 2}.{int(match[2]) - 1}.",
            ),
            (r"\.bn1\.bn\.", ".norm_act.norm."),
            (r"\.convs\.bn(\d)\.bn\.", r".branch.norm_act\1.norm."),
            (r"\.convs\.", ".branch."),
            (r"\.proj_conv\.", ".project."),
            (r"^stg3_fusion\.", "decode_head.reduce."),
            (r"^score\.conv\.", "decode_head.conv_seg."),
            (r"^aspp\.aspp\.", "decode_head.context."),
            *SE,
            *ASPP,
        ],
    ),
}
