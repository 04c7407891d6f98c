"""SwiftNet's names."""

from __future__ import annotations

from lednet_mm.checkpoints.names import NameTable

TABLES = {
    "swiftnet_rn18": NameTable(
        rules=[
            (r"^backbone\.spp\.spp\.spp_bn\.", "decode_head.context.reduce."),
            (r"^backbone\.spp\.spp\.spp_fuse\.", "decode_head.context.join."),
            (r"^backbone\.spp\.spp\.spp(\d)\.", r"decode_head.context.branches.\1."),
            (r"^backbone\.upsample\.(\d)\.bottleneck\.", r"decode_head.steps.\1.project."),
            (r"^backbone\.upsample\.(\d)\.blend_conv\.", r"decode_head.steps.\1.blend."),
            (r"^logits\.", "decode_head.conv_seg."),
        ],
    ),
    "swiftnet_rn18_pyramid": NameTable(
        rules=[
            (r"^backbone\.upsample_blends\.(\d)\.blend_conv\.", r"decode_head.blends.\1."),
            (
                r"^backbone\.upsample_bottlenecks\.(\d)\.",
                lambda match: f"backbone.projections.{3 - int(match[1])}.",
            ),
            (r"^logits\.", "decode_head.conv_seg."),
            (r"^backbone\.conv1\.", "backbone.conv."),
            (r"^backbone\.bn1\.", "backbone.norms."),
            (r"^backbone\.layer(\d)\.", lambda match: f"backbone.stages.{int(match[1]) - 1}."),
            (r"\.bn([12])\.", r".norm\1."),
            (r"\.downsample\.0\.", ".shortcut.conv."),
            (r"\.downsample\.1\.", ".shortcut.norm."),
        ],
    ),
}
