"""CANet's names in a third party's re-implementation (zh320)."""

from lednet_mm.checkpoints.names import NameTable
from lednet_mm.checkpoints.tables.zh320 import UNIT, mobilenet_v2

TABLES = {
    "zh320_canet": NameTable(
        rules=[
            (r"^spatial_branch\.", "backbone.spatial."),
            *mobilenet_v2("context_branch.backbone", "backbone.trunk"),
            (r"^context_branch\.up", "backbone.up"),
            (r"^fca\.conv_init\.", "decode_head.join."),
            (r"^fca\.sa\.0\.", "decode_head.position_weight."),
            (r"^fca\.ca\.fc\.", "decode_head.channel_weight."),
            (r"^fca\.conv_last\.", "decode_head.classify."),
            (r"^up\.", "decode_head.up."),
            *UNIT,
        ],
    ),
}
