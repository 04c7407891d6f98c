"""SwiftNet's names in a third party's re-implementation (zh320)."""

from lednet_mm.checkpoints.names import NameTable
from lednet_mm.checkpoints.tables.zh320 import UNIT

TABLES = {
    "zh320_swiftnet": NameTable(
        rules=[
            (r"^connection(\d)\.", lambda match: f"decode_head.laterals.{int(match[1]) - 1}."),
            (r"^spp\.conv\.", "decode_head.context.join."),
            # The 1x1 convolutions of the averages are plain convolutions, not units.
            (
                r"^spp\.stage(\d)\.1\.weight$",
                lambda match: f"decode_head.context.branches.{int(match[1]) - 1}.bare",
            ),
            # They name a step after the map that is added, so the order is reversed.
            (r"^decoder\.up_stage(\d)\.", lambda match: f"decode_head.convs.{3 - int(match[1])}."),
            *UNIT,
            (r"\.bare$", ".weight"),
        ],
    ),
}
