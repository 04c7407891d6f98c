"""SegFormer's names."""

from lednet_mm.checkpoints.names import NameTable

TABLES = {
    "segformer_b0": NameTable(
        rules=[
            (
                r"^backbone\.patch_embed(\d)\.proj\.",
                lambda match: f"backbone.stages.{int(match[1]) - 1}.patches.",
            ),
            (
                r"^backbone\.patch_embed(\d)\.norm\.",
                lambda match: f"backbone.stages.{int(match[1]) - 1}.patch_norm.",
            ),
            (r"^backbone\.block(\d)\.", lambda match: f"backbone.stages.{int(match[1]) - 1}.blocks."),
            (r"^backbone\.norm(\d)\.", lambda match: f"backbone.stages.{int(match[1]) - 1}.norm."),
            (r"\.attn\.q\.", ".attention.query."),
            (r"\.attn\.kv\.", ".attention.key_value."),
            (r"\.attn\.proj\.", ".attention.project."),
            (r"\.attn\.sr\.", ".attention.reduce."),
            (r"\.attn\.norm\.", ".attention.norm."),
            (r"\.mlp\.fc1\.", ".expand."),
            (r"\.mlp\.dwconv\.dwconv\.", ".depth."),
            (r"\.mlp\.fc2\.", ".contract."),
            (
                r"^decode_head\.linear_c(\d)\.proj\.",
                lambda match: f"decode_head.layers.{int(match[1]) - 1}.",
            ),
            (r"^decode_head\.linear_fuse\.bn\.", "decode_head.fuse.norm."),
            (r"^decode_head\.linear_fuse\.", "decode_head.fuse."),
            (r"^decode_head\.linear_pred\.", "decode_head.conv_seg."),
        ],
        unused=[r"^decode_head\.conv_seg\."],
    ),
}
