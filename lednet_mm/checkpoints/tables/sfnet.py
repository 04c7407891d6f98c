"""SFNet's names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lednet_mm.checkpoints.names import NameTable, Rule
from lednet_mm.checkpoints.tables.ddrnet import RESIDUAL

LAYERS = ("conv", "norm")


def _stem(prefix: str) -> Rule:
    def rename(match: re.Match) -> str:
        index = int(match[1])
        return f"backbone.stem.{index // 3}.{LAYERS[index % 3]}."

    return (rf"^{prefix}\.(\d)\.", rename)


HEAD: list[Rule] = [
    (
        r"^head\.ppm\.stages\.(\d)\.([12])\.",
        lambda match: f"decode_head.context.branches.{match[1]}.{LAYERS[int(match[2]) - 1]}.",
    ),
    (r"^head\.ppm\.bottleneck\.([01])\.", lambda match: f"decode_head.context.join.{LAYERS[int(match[1])]}."),
    (
        r"^head\.fpn_in\.(\d)\.([01])\.",
        lambda match: f"decode_head.laterals.{match[1]}.{LAYERS[int(match[2])]}.",
    ),
    (
        r"^head\.fpn_out\.(\d)\.0\.([01])\.",
        lambda match: f"decode_head.outputs.{match[1]}.{LAYERS[int(match[2])]}.",
    ),
    (r"^head\.fpn_out_align\.", "decode_head.alignments."),
    (r"^head\.flow_align_module\.", "decode_head.alignment."),
    (r"\.down_h\.", ".coarse."),
    (r"\.down_l\.", ".fine."),
    (r"(alignments\.\d)\.flow_make\.", r"\1.flow."),
    (r"\.flow_make\.", ".flows."),
    (r"\.flow_gate\.0\.", ".gate."),
    (r"^head\.conv_last\.1\.", "decode_head.conv_seg."),
    (r"^head\.conv_last\.0\.([01])\.", lambda match: f"decode_head.fuse.{LAYERS[int(match[1])]}."),
]

RESNET: list[Rule] = [
    _stem(r"layer0\.0"),
    (r"^layer0\.1\.", "backbone.stem.2.norm."),
    (r"^layer([1-4])\.", lambda match: f"backbone.stages.{int(match[1]) - 1}."),
    *HEAD,
    *RESIDUAL,
]


def _dfnet(stages: Sequence[str]) -> NameTable:
    """Return the table of a network whose backbone has stages of these names."""
    return NameTable(
        rules=[
            _stem(r"backbone\.stage1"),
            (
                rf"^backbone\.stage({'|'.join(stages)})\.",
                lambda match: f"backbone.stages.{stages.index(match[1])}.",
            ),
            *HEAD,
            *RESIDUAL,
        ]
    )


TABLES = {
    "sfnet_r18": NameTable(rules=RESNET),
    "sfnet_lite_r18": NameTable(
        rules=[
            *RESNET,
            (r"^decode_head\.laterals\.0\.", "decode_head.fine."),
            (r"^decode_head\.laterals\.1\.", "decode_head.middle."),
        ],
        unused=[r"^head\.fpn_in\.2\.", r"^head\.dsn\."],
        unused_dropout=[("Dropout2d", 0.1)],
    ),
    "sfnet_dfv1": _dfnet(["2", "3", "4", "5"]),
    "sfnet_dfv2": _dfnet(["2_1", "2_2", "3_1", "3_2", "4_1", "4_2"]),
}
