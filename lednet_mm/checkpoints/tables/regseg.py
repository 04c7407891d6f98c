"""RegSeg's names."""

from __future__ import annotations

from lednet_mm.checkpoints.names import NameTable

STAGES = {"4": 0, "8": 1, "16": 2}

_TABLE = NameTable(
    rules=[
        # A stage of a single block has no index.
        (r"^body\.stage4\.(?!\d)", "body.stage4.0."),
        (r"^body\.stage(\d+)\.", lambda match: f"backbone.stages.{STAGES[match[1]]}."),
        (r"^stem\.", "backbone.stem."),
        (r"^decoder\.head16\.", "decode_head.project_deep."),
        (r"^decoder\.head8\.", "decode_head.project_middle."),
        (r"^decoder\.head4\.", "decode_head.project_low."),
        (r"^decoder\.conv8\.", "decode_head.fuse_middle."),
        (r"^decoder\.conv4\.", "decode_head.fuse_low."),
        (r"^decoder\.classifier\.", "decode_head.conv_seg."),
        (r"\.se\.conv1\.", ".weigh.1."),
        (r"\.se\.conv2\.", ".weigh.3."),
        (r"\.conv2\.weight$", ".conv2.convs.0.weight"),
        (r"\.bn2\.", ".norm2."),
        (r"\.conv([13])\.", r".conv\1.conv."),
        (r"\.bn([13])\.", r".conv\1.norm."),
        (r"\.shortcut\.", ".shortcut.project."),
        (r"\.bn\.", ".norm."),
    ],
)

TABLES = {"regseg": _TABLE, "regseg_large": _TABLE}
