"""The names of torchvision's LR-ASPP."""

from __future__ import annotations

import re

from lednet_mm.checkpoints.names import NameTable

LAYERS = ("conv", "norm")
EXCITATION = {"fc1": "squeeze", "fc2": "excite"}
WEIGHTED = (3, 4, 5, 10, 11, 12, 13, 14)
"""Indices of the blocks that weight their channels, after the depth-wise convolution."""


def _block(match: re.Match) -> str:
    index, part = int(match[1]) - 1, int(match[2])
    parts = ["expand", "depth", *(["weigh"] if index in WEIGHTED else []), "project"]
    return f"backbone.blocks.{index}.{parts[part + (index == 0)]}."


TABLES = {
    "lraspp_torchvision": NameTable(
        rules=[
            (r"^backbone\.0\.([01])\.", lambda match: f"backbone.stem.{LAYERS[int(match[1])]}."),
            (r"^backbone\.16\.([01])\.", lambda match: f"backbone.last.{LAYERS[int(match[1])]}."),
            (r"^backbone\.(\d+)\.block\.(\d)\.", _block),
            (
                r"(blocks\.\d+\.(?:expand|depth|project))\.([01])\.",
                lambda match: f"{match[1]}.{LAYERS[int(match[2])]}.",
            ),
            (r"\.weigh\.(fc[12])\.", lambda match: f".weigh.1.{EXCITATION[match[1]]}."),
            (r"^classifier\.cbr\.([01])\.", lambda match: f"decode_head.reduce.{LAYERS[int(match[1])]}."),
            (r"^classifier\.scale\.1\.", "decode_head.gate."),
            (r"^classifier\.low_classifier\.", "decode_head.fine."),
            (r"^classifier\.high_classifier\.", "decode_head.conv_seg."),
        ],
    ),
}
