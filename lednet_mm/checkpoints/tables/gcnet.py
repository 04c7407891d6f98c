"""The names of GCNet and RDRNet, which are built on MMSegmentation's."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from lednet_mm.checkpoints.names import NameTable, Rule

COMMON: list[Rule] = [
    (r"^backbone\.semantic_branch_layers\.", "backbone.deep."),
    (r"^backbone\.detail_branch_layers\.", "backbone.fine."),
    (r"^backbone\.compression_(\d)\.", lambda match: f"backbone.exchanges.{int(match[1]) - 1}.compress."),
    (r"^backbone\.down_1\.", "backbone.exchanges.0.down.0."),
    (r"^backbone\.down_2\.", "backbone.exchanges.1.down."),
    (r"^backbone\.spp\.scales\.0\.", "backbone.context.finest."),
    (
        r"^backbone\.spp\.scales\.(\d)\.",
        lambda match: f"backbone.context.scales.{int(match[1]) - 1}.",
    ),
    (r"^backbone\.spp\.compression\.", "backbone.context.join."),
    (r"^backbone\.spp\.", "backbone.context."),
]


def paths(names: Sequence[str]) -> list[Rule]:
    """Return the rules of a block's paths, whose names are given in our order."""

    def path(match: re.Match) -> str:
        return f".paths.{names.index(match[1])}."

    def residual(match: re.Match) -> str:
        return f".paths.{len(names)}."

    return [(r"\.path_residual\.", residual), (rf"\.({'|'.join(names)})\.", path)]


def stem(stages: Sequence[int]) -> Callable[[re.Match], str]:
    """Return the function that renames a stem's block, by the numbers of blocks of its stages."""

    def rename(match: re.Match) -> str:
        place = int(match[1])
        if place < 2:
            return f"backbone.stem.{place}."
        place -= 2
        stage = int(place >= stages[0])
        return f"backbone.stem.{2 + stage}.{place - stage * stages[0]}."

    return rename


def _gcnet(*stages: int) -> NameTable:
    return NameTable(
        rules=[
            *COMMON,
            (r"^backbone\.stem\.(\d+)\.", stem(stages)),
            *paths(["path_3x3_1", "path_3x3_2", "path_1x1"]),
            (r"(paths\.\d)\.conv([12])\.", lambda match: f"{match[1]}.{int(match[2]) - 1}."),
            (r"^decode_head\.head\.0\.", "decode_head.unit.norm."),
            (r"^decode_head\.head\.2\.conv\.", "decode_head.unit.conv."),
            (r"^decode_head\.head\.2\.bn\.", "decode_head.norm_act.norm."),
            (r"^decode_head\.aux_head_c4\.0\.", "auxiliary_head.unit.norm."),
            (r"^decode_head\.aux_head_c4\.2\.conv\.", "auxiliary_head.unit.conv."),
            (r"^decode_head\.aux_head_c4\.2\.bn\.", "auxiliary_head.norm_act.norm."),
            (r"^decode_head\.aux_cls_seg_c4\.", "auxiliary_head.conv_seg."),
            (r"\.bn\.", ".norm."),
        ]
    )


_RDRNET = NameTable(
    rules=[
        # The last stages' bottlenecks; one branch has one more level of names.
        (r"^backbone\.semantic_branch_layers\.2\.0\.", "backbone.deep.2."),
        *COMMON,
        (r"^(backbone\.context)\.processes\.norm\.", r"\1.process.0.norm."),
        (r"^(backbone\.context)\.processes\.parallel1\.", r"\1.process.1.paths.0."),
        (r"^(backbone\.context)\.processes\.parallel2\.", r"\1.process.1.paths.1."),
        *paths(["path_3x3", "path_1x1"]),
        (r"(paths\.1)\.conv([12])\.", lambda match: f"{match[1]}.{int(match[2]) - 1}."),
        (r"\.downsample\.0\.", ".shortcut.conv."),
        (r"\.downsample\.1\.", ".shortcut.norm."),
        (r"^decode_head\.head\.0\.bn\.", "decode_head.unit.norm."),
        (r"^decode_head\.head\.0\.", "decode_head.unit."),
        (r"^decode_head\.head\.1\.", "decode_head.norm_act.norm."),
        (r"^decode_head\.aux_head\.0\.bn\.", "auxiliary_head.unit.norm."),
        (r"^decode_head\.aux_head\.0\.", "auxiliary_head.unit."),
        (r"^decode_head\.aux_head\.1\.", "auxiliary_head.norm_act.norm."),
        (r"^decode_head\.aux_cls_seg\.", "auxiliary_head.conv_seg."),
        (r"\.bn\.", ".norm."),
    ]
)

TABLES = {
    "gcnet_s": _gcnet(4, 4),
    "gcnet_m": _gcnet(4, 4),
    "gcnet_l": _gcnet(5, 5),
    "rdrnet_s_simple": _RDRNET,
    "rdrnet_s": _RDRNET,
    "rdrnet_m": _RDRNET,
    "rdrnet_l": _RDRNET,
}
