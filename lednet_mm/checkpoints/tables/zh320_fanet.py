"""FANet's names in a third party's re-implementation (zh320)."""

from lednet_mm.checkpoints.names import NameTable
from lednet_mm.checkpoints.tables.zh320 import UNIT

TABLES = {
    "zh320_fanet": NameTable(
        rules=[
            (r"^fast_attention\.(\d)\.conv_q\.", r"decode_head.attentions.\1.query."),
            (r"^fast_attention\.(\d)\.conv_k\.", r"decode_head.attentions.\1.key."),
            (r"^fast_attention\.(\d)\.conv_v\.", r"decode_head.attentions.\1.value."),
            (r"^fast_attention\.(\d)\.conv_fuse\.", r"decode_head.attentions.\1.fuse."),
            (r"^fuse_up\.(\d)\.up\.", r"decode_head.ups.\1."),
            (r"^fuse_up\.(\d)\.conv\.", r"decode_head.fuse.\1."),
            (r"^seg_head\.0\.", "decode_head.join."),
            (r"^seg_head\.1\.weight$", "decode_head.conv_seg.weight"),
            *UNIT,
        ],
    ),
}
