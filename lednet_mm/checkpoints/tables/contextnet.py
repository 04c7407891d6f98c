"""The names of ContextNet and Fast-SCNN, which share blocks, in Efficient-Segmentation-Networks."""

from lednet_mm.checkpoints.names import NameTable, Rule

# A convolution with norm is conv.0 and conv.1; a depth-wise separable one goes on with conv.3 and conv.4.
SHARED: list[Rule] = [
    (r"^classifier\.dsconv(\d)\.", lambda match: f"decode_head.convs.{int(match[1]) - 1}."),
    (r"^classifier\.conv\.1\.", "decode_head.conv_seg."),
    (r"^feature_fusion\.dwconv\.conv\.", "backbone.fusion.depth."),
    (r"^feature_fusion\.conv_lower_res\.", "backbone.fusion.low."),
    (r"^feature_fusion\.conv_higher_res\.", "backbone.fusion.high."),
    (r"((?:detail|downsample|convs)\.\d)\.conv\.([01])\.", r"\1.depth.\2."),
    (r"((?:detail|downsample|convs)\.\d)\.conv\.3\.", r"\1.point.0."),
    (r"((?:detail|downsample|convs)\.\d)\.conv\.4\.", r"\1.point.1."),
    (r"(detail|downsample)\.0\.depth\.", r"\1.0."),  # the first convolution is a plain one
    (r"block\.0\.conv\.", "expand."),
    (r"block\.1\.conv\.", "depth."),
    (r"block\.2\.", "project.0."),
    (r"block\.3\.", "project.1."),
    (r"\.conv\.([01])\.", r".\1."),
    (r"\.0\.(weight|bias)$", r".conv.\1"),
    (r"\.1\.(weight|bias|running_mean|running_var|num_batches_tracked)$", r".norm.\1"),
]

TABLES = {
    "contextnet": NameTable(
        rules=[
            (r"^spatial_detail\.conv\.", "backbone.detail.0."),
            (r"^spatial_detail\.dsconv(\d)\.", r"backbone.detail.\1."),
            (r"^context_feature_extractor\.conv_\.", "backbone.context.0."),
            (r"^context_feature_extractor\.bottleneck(\d)\.", r"backbone.context.\1."),
            *SHARED,
        ],
    ),
    "fastscnn": NameTable(
        rules=[
            (r"^learning_to_downsample\.conv\.", "backbone.downsample.0."),
            (r"^learning_to_downsample\.dsconv(\d)\.", r"backbone.downsample.\1."),
            (
                r"^global_feature_extractor\.bottleneck(\d)\.",
                lambda match: f"backbone.bottlenecks.{int(match[1]) - 1}.",
            ),
            (r"^global_feature_extractor\.ppm\.out\.", "backbone.pyramid.out."),
            (
                r"^global_feature_extractor\.ppm\.conv(\d)\.",
                lambda match: f"backbone.pyramid.levels.{int(match[1]) - 1}.",
            ),
            *SHARED,
        ],
    ),
}
