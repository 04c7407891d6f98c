"""FDDWNet's names in a third party's re-implementation (zh320)."""

from lednet_mm.checkpoints.names import NameTable
from lednet_mm.checkpoints.tables.zh320 import UNIT

TABLES = {
    "zh320_fddwnet": NameTable(
        rules=[
            (r"^layer1\.", "backbone.stem."),
            (r"^layer2\.", "backbone.stages.0.0."),
            (r"^layer3_7\.(\d)\.", lambda match: f"backbone.stages.0.{int(match[1]) + 1}."),
            (r"^layer8\.", "backbone.stages.1.0."),
            (r"^layer9_16\.(\d)\.", lambda match: f"backbone.stages.1.{int(match[1]) + 1}."),
            (r"^layer17_24\.(\d)\.", lambda match: f"backbone.stages.1.{int(match[1]) + 9}."),
            (r"^layer25\.", "decode_head.up1.0."),
            (r"^layer26_27\.(\d)\.", lambda match: f"decode_head.up1.{int(match[1]) + 1}."),
            (r"^layer28\.", "decode_head.up2.0."),
            (r"^layer29_30\.(\d)\.", lambda match: f"decode_head.up2.{int(match[1]) + 1}."),
            (r"^layer31\.", "decode_head.classify."),
            *UNIT,
        ],
    ),
}
