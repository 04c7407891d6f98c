"""EDANet's names in Efficient-Segmentation-Networks."""

from lednet_mm.checkpoints.names import NameTable

TABLES = {
    "edanet": NameTable(
        rules=[
            (r"^layers\.([01])\.", r"backbone.stages.\1.0."),
            (r"^layers\.3\.", "backbone.stages.2.0."),
            (
                r"^layers\.([24])\.residual_dense_layers\.(\d)\.",
                lambda match: f"backbone.stages.{int(match[1]) // 2}.{int(match[2]) + 1}.",
            ),
            (r"\.bn\.", ".norm."),
            (r"conv1x1", "reduce.conv"),
            (r"bn0", "reduce.norm"),
            (r"conv3x1_(\d)", r"conv\1.vertical"),
            (r"conv1x3_(\d)", r"conv\1.horizontal"),
            (r"bn(\d)", r"norm\1"),
            (r"^project_layer", "decode_head.conv_seg"),
        ],
    ),
}
