"""DDRNet's names, and those of parts that PIDNet, SCTNet and DSNet take from it."""

from __future__ import annotations

import re

from lednet_mm.checkpoints.names import NameTable, Rule

RESIDUAL: list[Rule] = [
    (r"\.conv([123])\.", r".conv\1.conv."),
    (r"\.bn([123])\.", r".conv\1.norm."),
    (r"\.downsample\.0\.", ".shortcut.conv."),
    (r"\.downsample\.1\.", ".shortcut.norm."),
]
"""Names inside residual blocks; those of heads must have been renamed before."""

PYRAMID: list[Rule] = [
    (r"\.scale0\.0\.", ".finest.norm."),
    (r"\.scale0\.2\.", ".finest.conv."),
    (r"\.scale([1-4])\.1\.", lambda match: f".scales.{int(match[1]) - 1}.1.norm."),
    (r"\.scale([1-4])\.3\.", lambda match: f".scales.{int(match[1]) - 1}.1.conv."),
    (r"\.process([1-4])\.0\.", lambda match: f".processes.{int(match[1]) - 1}.norm."),
    (r"\.process([1-4])\.2\.", lambda match: f".processes.{int(match[1]) - 1}.conv."),
    (r"\.scale_process\.0\.", ".process.norm."),
    (r"\.scale_process\.2\.", ".process.conv."),
    (r"\.compression\.0\.", ".join.norm."),
    (r"\.compression\.2\.", ".join.conv."),
    (r"context\.shortcut\.0\.", "context.shortcut.norm."),
    (r"context\.shortcut\.2\.", "context.shortcut.conv."),
]
"""Names inside the context pyramid, which is called ``context`` here."""

STEM: list[Rule] = [
    (r"^conv1\.0\.", "backbone.stem.0.0.conv."),
    (r"^conv1\.1\.", "backbone.stem.0.0.norm."),
    (r"^conv1\.3\.", "backbone.stem.0.1.conv."),
    (r"^conv1\.4\.", "backbone.stem.0.1.norm."),
    (r"^layer1\.", "backbone.stem.1."),
    (r"^layer2\.", "backbone.stem.3."),
]
"""Names of the first two stages."""


def head(theirs: str, ours: str) -> list[Rule]:
    """Return the rules of a head's names, from ``theirs`` to ``ours``."""
    return [
        (rf"^{theirs}\.bn1\.", f"{ours}.unit.norm."),
        (rf"^{theirs}\.conv1\.", f"{ours}.unit.conv."),
        (rf"^{theirs}\.bn2\.", f"{ours}.norm_act.norm."),
        (rf"^{theirs}\.conv2\.", f"{ours}.conv_seg."),
    ]


def _table(stages: tuple[str, ...]) -> NameTable:
    """Return the table of a network whose stages have these names, without the last one."""
    number = {name: i for i, name in enumerate((*stages, "5"))}
    names = "|".join(number)

    def down(match: re.Match) -> str:
        step, layer = divmod(int(match[2]), 3)
        return f"backbone.exchanges.{number[match[1]]}.down.{step}.{('conv', 'norm')[layer]}."

    def compress(match: re.Match) -> str:
        return f"backbone.exchanges.{number[match[1]]}.compress.{('conv', 'norm')[int(match[2])]}."

    def single(match: re.Match) -> str:
        # The last stage is a single block.
        return f"{match[1]}.{number['5']}."

    return NameTable(
        rules=[
            *head("final_layer", "decode_head"),
            *head("seghead_extra", "auxiliary_head"),
            *STEM,
            (rf"^down({names})\.(\d)\.", down),
            (rf"^compression({names})\.(\d)\.", compress),
            (rf"^layer({names})_\.", lambda match: f"backbone.fine.{number[match[1]]}."),
            (rf"^layer({names})\.", lambda match: f"backbone.deep.{number[match[1]]}."),
            (rf"^(backbone\.(?:deep|fine))\.{number['5']}\.0\.", single),
            (r"^spp\.", "backbone.context."),
            *PYRAMID,
            *RESIDUAL,
        ],
    )


TABLES = {
    "ddrnet23_slim": _table(("3", "4")),
    "ddrnet23": _table(("3", "4")),
    "ddrnet39": _table(("3_1", "3_2", "4")),
}
