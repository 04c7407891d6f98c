"""STDC's names."""

from __future__ import annotations

import re
from collections.abc import Callable

from lednet_mm.checkpoints.names import NameTable

HEADS = {"": "decode_head", "16": "auxiliary_head.0", "32": "auxiliary_head.1"}
DEEPEST_FIRST = {"32": 0, "16": 1}


def _feature(counts: tuple[int, ...]) -> Callable[[re.Match], str]:
    """Return the function that renames a feature, by the numbers of blocks of the last three stages."""

    def rename(match: re.Match) -> str:
        index = int(match[1])
        if index < 2:
            return f"backbone.backbone.stages.{index}."
        index -= 2
        for stage, count in enumerate(counts, 2):
            if index < count:
                return f"backbone.backbone.stages.{stage}.{index}."
            index -= count
        raise ValueError(f"a feature of index {match[1]}")

    return rename


def _table(*counts: int) -> NameTable:
    return NameTable(
        rules=[
            (r"^conv_out_sp8\.conv_out\.", "auxiliary_head.2.conv_seg."),
            (r"^conv_out_sp8\.conv\.", "auxiliary_head.2.convs.0."),
            (r"^conv_out(16|32|)\.conv_out\.", lambda match: f"{HEADS[match[1]]}.conv_seg."),
            (r"^conv_out(16|32|)\.conv\.bn\.", lambda match: f"{HEADS[match[1]]}.unit.norm."),
            (r"^conv_out(16|32|)\.conv\.", lambda match: f"{HEADS[match[1]]}.unit."),
            (r"^cp\.backbone\.features\.(\d+)\.", _feature(counts)),
            (r"\.conv_list\.", ".layers."),
            (r"\.avd_layer\.0\.", ".downsample.conv."),
            (r"\.avd_layer\.1\.", ".downsample.bn."),
            (
                r"^cp\.arm(16|32)\.conv\.",
                lambda match: f"backbone.arms.{DEEPEST_FIRST[match[1]]}.conv_layer.",
            ),
            (
                r"^cp\.arm(16|32)\.(conv|bn)_atten\.",
                lambda match: f"backbone.arms.{DEEPEST_FIRST[match[1]]}.atten_conv_layer.1.{match[2]}.",
            ),
            (
                r"^cp\.conv_head(16|32)\.",
                lambda match: f"backbone.convs.{DEEPEST_FIRST[match[1]]}.",
            ),
            (r"^cp\.conv_avg\.", "backbone.conv_avg."),
            (r"^ffm\.convblk\.", "backbone.ffm.conv0."),
            (r"^ffm\.conv([12])\.", r"backbone.ffm.attention.\1.conv."),
        ],
        unused=[
            r"^cp\.backbone\.(conv_last|fc|bn|linear)\.",
            r"^cp\.backbone\.x\d+\.",
            r"^conv_out_sp(2|4|16)\.",
        ],
        unused_dropout=[("Dropout", 0.2)],
    )


TABLES = {"stdc1": _table(2, 2, 2), "stdc2": _table(4, 5, 3)}
