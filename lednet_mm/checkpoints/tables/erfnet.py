"""ERFNet's names."""

from lednet_mm.checkpoints.names import NameTable

TABLES = {
    "erfnet": NameTable(
        rules=[
            (r"^encoder\.output_conv\.", "auxiliary_head.conv_seg."),
            (r"^encoder\.initial_block\.", "backbone.stages.0."),
            (r"^encoder\.layers\.([0-5])\.", r"backbone.stages.1.\1."),
            (r"^encoder\.layers\.(\d+)\.", lambda match: f"backbone.stages.2.{int(match[1]) - 6}."),
            (r"^decoder\.output_conv\.", "decode_head.classifier."),
            (r"^decoder\.", "decode_head."),
            (r"\.bn\.", ".norm."),
            (r"\.bn(\d)\.", r".norm\1."),
            (r"\.conv3x1_(\d)\.", r".conv\1.vertical."),
            (r"\.conv1x3_(\d)\.", r".conv\1.horizontal."),
        ],
    ),
}
