"""The names of TopFormer and SeaFormer."""

from __future__ import annotations

import re

from lednet_mm.checkpoints.names import NameTable, Rule

EXPANDED = ("expand", "depth", "project")
AXES = {"row": 0, "column": 1}
BLOCKS = (3, 2, 2, 3)
"""The largest numbers of blocks of TopFormer's stages."""


def _place(index: int) -> str:
    for stage, count in enumerate(BLOCKS):
        if index < count:
            return f"backbone.stages.{stage}.{index}."
        index -= count
    raise ValueError(f"a block of index {index}")


def _block_layer(match: re.Match) -> str:
    # The first block of all has no expansion.
    layer = int(match[2]) // 2 + (match[1] == "backbone.stages.0.0.")
    return f"{match[1]}{EXPANDED[layer]}."


COMMON: list[Rule] = [
    (r"^(backbone\.stages\.\d\.\d\.)conv\.(\d)\.", _block_layer),
    (r"\.attn\.to_q\.", ".attention.query."),
    (r"\.attn\.to_k\.", ".attention.key."),
    (r"\.attn\.to_v\.", ".attention.value."),
    (r"\.attn\.proj\.1\.", ".attention.project."),
    (r"\.attn\.proj_encode_(\w+)\.1\.", lambda match: f".attention.encode.{AXES[match[1]]}."),
    (
        r"\.attn\.pos_emb_(row|column)q\.pos_embed$",
        lambda match: f".attention.query_positions.{AXES[match[1]]}",
    ),
    (
        r"\.attn\.pos_emb_(row|column)k\.pos_embed$",
        lambda match: f".attention.key_positions.{AXES[match[1]]}",
    ),
    (r"\.attn\.dwconv\.", ".attention.detail."),
    (r"\.attn\.pwconv\.", ".attention.detail_project."),
    (r"\.mlp\.fc1\.", ".mlp.expand."),
    (r"\.mlp\.dwconv\.", ".mlp.depth."),
    (r"\.mlp\.fc2\.", ".mlp.project."),
    (r"\.c\.", ".conv."),
    (r"\.bn\.", ".norm."),
    (r"\.local_embedding\.", ".local."),
    (r"\.global_embedding\.", ".tokens."),
    (r"\.global_act\.", ".gate."),
]

_TOPFORMER = NameTable(
    rules=[
        (r"^backbone\.tpm\.stem\.0\.", "backbone.stem."),
        (r"^backbone\.tpm\.layer(\d+)\.", lambda match: _place(int(match[1]) - 1)),
        (r"^backbone\.trans\.transformer_blocks\.", "backbone.transformer."),
        (r"^backbone\.SIM\.(\d)\.", lambda match: f"backbone.injections.{int(match[1]) - 1}."),
        (r"^decode_head\.linear_fuse\.", "decode_head.fuse."),
        *COMMON,
    ],
)
_SEAFORMER = NameTable(
    rules=[
        (r"^backbone\.smb1\.stem_block\.0\.", "backbone.stem."),
        (
            r"^backbone\.smb(\d)\.layer(\d)\.",
            lambda match: f"backbone.stages.{int(match[1]) - 1}.{int(match[2]) - 1}.",
        ),
        (
            r"^backbone\.trans(\d)\.transformer_blocks\.",
            lambda match: f"backbone.transformers.{int(match[1]) - 1}.",
        ),
        (r"^decode_head\.fuse(\d)\.", lambda match: f"decode_head.fusions.{int(match[1]) - 1}."),
        (r"^decode_head\.linear_fuse\.", "decode_head.scale."),
        *COMMON,
    ],
)

TABLES = {
    **dict.fromkeys(("topformer_t", "topformer_s", "topformer_b"), _TOPFORMER),
    **dict.fromkeys(("seaformer_t", "seaformer_s", "seaformer_b"), _SEAFORMER),
}
