"""EfficientViT-Seg's names."""

from lednet_mm.checkpoints.names import NameTable

_TABLE = NameTable(
    rules=[
        (r"^backbone\.input_stem\.op_list\.", "backbone.stages.0."),
        (
            r"^backbone\.stages\.(\d)\.op_list\.",
            lambda match: f"backbone.stages.{int(match[1]) + 1}.",
        ),
        # They begin with the deepest map; the first two have an upsampling beside them.
        (
            r"^head\.input_ops\.(\d)\.(op_list\.0\.)?",
            lambda match: f"decode_head.inputs.{2 - int(match[1])}.",
        ),
        (r"^head\.middle\.op_list\.", "decode_head.middle."),
        (r"^head\.output_ops\.0\.op_list\.0\.", "decode_head.widen."),
        (r"^head\.output_ops\.0\.op_list\.1\.conv\.", "decode_head.conv_seg."),
        (r"\.context_module\.main\.qkv\.conv\.", ".0.qkv."),
        (r"\.context_module\.main\.aggreg\.0\.", ".0.neighbours."),
        (r"\.context_module\.main\.proj\.", ".0.project."),
        (r"\.local_module\.main\.", ".1."),
        (r"\.main\.", "."),
        (r"\.inverted_conv\.", ".expand."),
        (r"\.depth_conv\.", ".depth."),
        (r"\.point_conv\.", ".project."),
    ],
)

TABLES = {"efficientvit_seg_b0": _TABLE, "efficientvit_seg_b1": _TABLE}
