"""DFANet's names in a third party's re-implementation (zh320)."""

from lednet_mm.checkpoints.names import NameTable
from lednet_mm.checkpoints.tables.zh320 import UNIT

TABLES = {
    "zh320_dfanet": NameTable(
        rules=[
            (r"^conv1\.", "backbone.stem."),
            (r"^backbone(\d)\.", lambda match: f"backbone.encoders.{int(match[1]) - 1}."),
            (r"\.enc(\d)\.conv\.", lambda match: f".stages.{int(match[1]) - 2}."),
            (r"\.fc_attention\.", ".attention."),
            (r"\.conv_stride\.weight$", ".shortcut.bare"),
            (r"(stages\.\d\.\d\.conv)\.([01])\.0\.", r"\1.\2.depth."),
            (r"(stages\.\d\.\d\.conv)\.([01])\.1\.", r"\1.\2.point."),
            (r"^decoder\.enc_conv(\d)\.", lambda match: f"decode_head.lateral.{int(match[1]) - 1}."),
            (r"^decoder\.fc_conv(\d)\.", lambda match: f"decode_head.context.{int(match[1]) - 1}."),
            (r"^decoder\.conv_enc\.", "decode_head.conv_seg."),
            (r"(context\.\d\.1)\.weight$", r"\1.bare"),
            *UNIT,
            (r"\.bare$", ".weight"),
        ],
    ),
}
