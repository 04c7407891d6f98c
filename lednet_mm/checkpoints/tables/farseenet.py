"""FarSee-Net's names in a third party's re-implementation (zh320)."""

from lednet_mm.checkpoints.names import NameTable
from lednet_mm.checkpoints.tables.zh320 import UNIT

TABLES = {
    "zh320_farseenet": NameTable(
        rules=[
            (r"^frontend_network\.", "backbone."),
            (r"^backend_network\.conv_(high|low)\.", r"decode_head.\1.branches."),
            (r"^backend_network\.conv_low_init\.", "decode_head.project_low."),
            (r"^backend_network\.conv_low_last\.", "decode_head.fuse."),
            # A sub-pixel convolution is a plain convolution, not a unit.
            (r"^backend_network\.sub_pixel_high\.0\.weight$", "decode_head.up.0.bare"),
            (r"^backend_network\.sub_pixel_low\.0\.weight$", "decode_head.conv_seg.0.bare"),
            *UNIT,
            (r"\.bare$", ".weight"),
        ],
    ),
}
