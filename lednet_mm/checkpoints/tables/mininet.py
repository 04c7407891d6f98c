"""MiniNet's names in a third party's re-implementation (zh320)."""

from lednet_mm.checkpoints.names import NameTable
from lednet_mm.checkpoints.tables.zh320 import UNIT

TABLES = {
    "zh320_mininet": NameTable(
        rules=[
            (r"^down(\d)\.", lambda match: f"backbone.downs.{int(match[1]) - 1}."),
            (r"^branch1\.", "backbone.dilated."),
            (r"^branch2_down\.", "backbone.deep_down."),
            (r"^branch2_up\.", "backbone.deep_up."),
            (r"^branch2\.", "backbone.deep."),
            (r"^up(\d)\.", r"decode_head.up\1."),
            # A separable convolution is 0 (depth-wise) and 1 (1x1).
            (r"(downs\.\d|deep_down|deep\.1)\.0\.(?=\d)", r"\1.depth."),
            (r"(downs\.\d|deep_down|deep\.1)\.1\.(?=\d)", r"\1.point."),
            # The convolutions of a module are plain convolutions, not units.
            (r"conv1\.(\d)\.weight", r"first.\1.bare"),
            (r"conv2\.(\d)\.weight", r"second.\1.bare"),
            *UNIT,
            (r"\.bare$", ".weight"),
        ],
    ),
}
