"""AGLNet's names in a third party's re-implementation (zh320)."""

from lednet_mm.checkpoints.names import NameTable
from lednet_mm.checkpoints.tables.zh320 import UNIT

TABLES = {
    "zh320_aglnet": NameTable(
        rules=[
            (r"^layer(1|5|8)\.", lambda match: f"backbone.stages.{'158'.index(match[1])}.0."),
            (
                r"^layer(2_4|6_7|9_16)\.(\d)\.",
                lambda match: (
                    f"backbone.stages.{('2_4', '6_7', '9_16').index(match[1])}.{int(match[2]) + 1}."
                ),
            ),
            # Their branches number their layers: 0, 1 (activation), 2 (unit), 3, 4 (activation), 5 (unit).
            (r"(left|right)_branch\.([03])\.", lambda match: f"{match[1]}.{'03'.index(match[2]) * 2}.conv."),
            (r"(left|right)_branch\.([25])\.", lambda match: f"{match[1]}.{'25'.index(match[2]) * 2 + 1}."),
            (r"^layer17\.pfa\.conv(\d)1\.", r"decode_head.pyramid.down\1."),
            (r"^layer17\.pfa\.conv(\d)2\.", r"decode_head.pyramid.lateral\1."),
            (r"^layer17\.conv\.", "decode_head.pyramid.widen."),
            (r"^layer17\.gp\.1\.weight", "decode_head.pyramid.pooled.weight"),
            (r"^layer18\.", "decode_head.up1."),
            (r"^layer19\.", "decode_head.up2."),
            (r"^layer20\.", "decode_head.conv_seg."),
            (r"sab\.conv", "spatial"),
            (r"cab\.conv", "channel"),
            (r"up_conv", "up"),
            *UNIT,
        ],
    ),
}
