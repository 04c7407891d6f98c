"""ESNet's names in Efficient-Segmentation-Networks."""

from lednet_mm.checkpoints.names import NameTable

TABLES = {
    "esnet": NameTable(
        rules=[
            (r"^initial_block\.", "backbone.stages.0.0."),
            (r"^layers\.([0-2])\.", lambda match: f"backbone.stages.0.{int(match[1]) + 1}."),
            (r"^layers\.([3-5])\.", lambda match: f"backbone.stages.1.{int(match[1]) - 3}."),
            (r"^layers\.([6-9])\.", lambda match: f"backbone.stages.2.{int(match[1]) - 6}."),
            (r"^layers\.(1\d)\.", lambda match: f"decode_head.layers.{int(match[1]) - 10}."),
            (r"^output_conv", "decode_head.classifier"),
            (r"\.bn\.", ".norm."),
            (r"(stages\.2\.\d)\.bn2", r"\1.norms2.0"),
            (r"bn(\d)", r"norm\1"),
            # conv3x1_25 is the branch of dilation 5.
            *[(rf"conv3x1_2{d}", f"branches.{i}.vertical") for i, d in enumerate((2, 5, 9))],
            *[(rf"conv1x3_2{d}", f"branches.{i}.horizontal") for i, d in enumerate((2, 5, 9))],
            (r"conv3x1_(\d)", r"conv\1.vertical"),
            (r"conv1x3_(\d)", r"conv\1.horizontal"),
        ],
    ),
}
