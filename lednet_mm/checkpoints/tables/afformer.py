"""AFFormer's names."""

from lednet_mm.checkpoints.names import NameTable

EMBEDDINGS = ("pixels", "prototypes")

_TABLE = NameTable(
    rules=[
        (
            r"^backbone\.patch_embed_stages\.(\d)\.patch_embeds\.(\d)\.patch_conv\.",
            lambda match: f"backbone.stages.{match[1]}.{EMBEDDINGS[int(match[2])]}.",
        ),
        (r"^backbone\.mhca_stages\.", "backbone.stages."),
        (r"\.Restore\.conv1\.", ".restore.reduce."),
        (r"\.Restore\.dwconv\.", ".restore.depth.conv."),
        (r"\.Restore\.norm\.", ".restore.depth.norm."),
        (r"\.Restore\.conv2\.", ".restore.expand."),
        (r"\.aggregate\.", ".join."),
        (r"\.mhca_blks\.0\.cpe\.proj\.", ".encoder.position."),
        (r"\.mhca_blks\.0\.crpe\.conv_list\.", ".encoder.high_pass.convs."),
        (r"\.mhca_blks\.0\.MHCA_layers\.", ".encoder.layers."),
        (r"\.factoratt_crpe\.qkv\.", ".attention.qkv."),
        (r"\.factoratt_crpe\.proj\.", ".attention.project."),
        (r"\.mlp\.fc1\.", ".expand."),
        (r"\.mlp\.dwconv\.dwconv\.", ".depth."),
        (r"\.mlp\.fc2\.", ".reduce."),
        (r"\.(dw|pw)conv\.", lambda match: {"dw": ".depth.", "pw": ".point."}[match[1]]),
        (r"^decode_head\.squeeze\.", "decode_head.unit."),
        (r"\.(bn|gn)\.", ".norm."),
    ],
    unused=[r"^decode_head\.align\."],
)

TABLES = {"afformer_tiny": _TABLE, "afformer_small": _TABLE, "afformer_base": _TABLE}
