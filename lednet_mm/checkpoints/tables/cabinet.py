"""CABiNet's names."""

from __future__ import annotations

import re

from lednet_mm.checkpoints.names import NameTable

LAYERS = ("conv", "norm")
# Modules of a block with expansion, and of the first one, which has none.
EXPANDED = {
    0: "expand.conv",
    1: "expand.norm",
    3: "depth.conv",
    4: "depth.norm",
    7: "project.conv",
    8: "project.norm",
}
PLAIN = {0: "depth.conv", 1: "depth.norm", 4: "project.conv", 5: "project.norm"}
EXCITATION = {"0": "squeeze", "2": "excite"}


def _excitation(match: re.Match) -> str:
    block = int(match[1]) - 1
    return f"backbone.mobile.blocks.{block}.weigh.{int(block == 0)}.{EXCITATION[match[2]]}."


def _block(match: re.Match) -> str:
    block = int(match[1]) - 1
    return f"backbone.mobile.blocks.{block}.{(EXPANDED if block else PLAIN)[int(match[2])]}."


_TABLE = NameTable(
    rules=[
        (r"^mobile\.features\.0\.([01])\.", lambda match: f"backbone.mobile.stem.{LAYERS[int(match[1])]}."),
        (r"^mobile\.features\.(\d+)\.conv\.\d\.fc\.([02])\.", _excitation),
        (r"^mobile\.features\.(\d+)\.conv\.(\d)\.", _block),
        (r"^mobile\.conv\.([01])\.", lambda match: f"backbone.mobile.last.{LAYERS[int(match[1])]}."),
        (r"^ab\.conva\.([01])\.", lambda match: f"backbone.reduce.{LAYERS[int(match[1])]}."),
        (r"^ab\.a2block\.gamma$", "backbone.context.gamma"),
        (
            r"^ab\.a2block\.global_attn\.to_(query|key)\.([01])\.",
            lambda match: f"backbone.context.attention.{match[1]}.{LAYERS[int(match[2])]}.",
        ),
        (r"^ab\.a2block\.global_attn\.to_value\.", "backbone.context.attention.value."),
        (r"^ab\.a2block\.global_attn\.psp_", "backbone.context.attention.pooled_"),
        (r"^ab\.a2block\.global_attn\.project_out\.", "backbone.context.attention.project."),
        (
            r"^ab\.a2block\.local_attn\.refine\.(\d)\.block\.([01])\.",
            lambda match: f"backbone.context.local.{match[1]}.{LAYERS[int(match[2])]}.",
        ),
        (r"^ab\.convb\.", "backbone.low."),
        (r"^ab\.b1\.", "auxiliary_head.unit.conv."),
        (r"^ab\.b2\.", "auxiliary_head.unit.norm."),
        (r"^ab\.b4\.", "auxiliary_head.conv_seg."),
        (r"^sb\.conv_out\.", "backbone.spatial.3."),
        (r"^sb\.conv(\d)\.", lambda match: f"backbone.spatial.{int(match[1]) - 1}."),
        (r"^ffm\.convblk\.", "backbone.fuse.join."),
        (r"^ffm\.conv1\.", "backbone.fuse.squeeze."),
        (r"^ffm\.conv2\.", "backbone.fuse.excite."),
        (r"^conv_out\.conv_out\.", "decode_head.conv_seg."),
        (r"^conv_out\.conv\.", "decode_head.unit."),
        (r"\.bn\.", ".norm."),
    ],
    unused=[r"^mobile\.classifier\."],
    unused_dropout=[("Dropout", 0.2)],
)

TABLES = {"cabinet_large": _TABLE, "cabinet_small": _TABLE}
