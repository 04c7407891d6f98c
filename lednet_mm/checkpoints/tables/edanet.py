"""EDANet's names in Efficient-Segmentation-Networks."""

from lednet_mm.checkpoints.names import AuthorsNetwork

NETWORKS = {
    "edanet": AuthorsNetwork(
        title="EDANet",
        paper="arXiv:1809.06323",
        repository="github.com/xiaoyufenfei/Efficient-Segmentation-Networks",
        model={
            "backbone": {"type": "EDANet"},
            "decode_head": {
                "type": "FCNHead",
                "in_channels": 450,
                "channels": 450,
                "num_convs": 0,
                "concat_input": False,
                "dropout_ratio": 0,
                "align_corners": True,
                "init_cfg": None,
            },
        },
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
