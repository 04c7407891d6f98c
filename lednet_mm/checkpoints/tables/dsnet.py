"""DSNet's names."""

from __future__ import annotations

import re

from lednet_mm.checkpoints.names import NameTable
from lednet_mm.checkpoints.tables.ddrnet import RESIDUAL, STEM, head

LAYERS = ("conv", "norm")
PARTS = {
    "local_att": "local",
    "context1": "pooled.0",
    "context2": "pooled.1",
    "context3": "pooled.2",
    "global_att": "pooled.3",
}


def _attention(match: re.Match) -> str:
    # A pool, where there is one, is the first module.
    place, name, index = int(match[1]) - 1, match[2], int(match[3])
    index -= name != "local_att"
    return f"backbone.fusions.{place}.{PARTS[name]}.{index // 3}.{LAYERS[index % 3]}."


_TABLE = NameTable(
    rules=[
        (r"^lastlayer\.conv1\.", "decode_head.fuse.conv."),
        (r"^lastlayer\.bn2\.", "decode_head.fuse.norm."),
        (r"^lastlayer\.conv2\.", "decode_head.conv_seg."),
        *head("seghead_p", "auxiliary_head.0"),
        *head("seghead_d", "auxiliary_head.1"),
        (r"^up8\.(\d)\.", lambda match: f"decode_head.lateral.{LAYERS[int(match[1])]}."),
        (r"^spp\.conv_list\.(\d)\.", r"decode_head.pyramid.row.\1."),
        (r"^spp\.pooling\.([12])\.", lambda match: f"decode_head.pyramid.pool.{LAYERS[int(match[1]) - 1]}."),
        (r"^spp\.process1\.(\d)\.", lambda match: f"decode_head.pyramid.shortcut.{LAYERS[int(match[1])]}."),
        (r"^spp\.process2\.(\d)\.", lambda match: f"decode_head.pyramid.join.{LAYERS[int(match[1])]}."),
        (r"^spp\.process3\.(\d)\.", lambda match: f"decode_head.pyramid.smooth.{LAYERS[int(match[1])]}."),
        (r"^layer1_a\.0\.", "backbone.fine."),
        (r"^layer2\.", "backbone.shrink."),
        *STEM,
        (r"^layer(5_?)\.0\.", r"layer\1."),
        (r"^layer([345])_\.", lambda match: f"backbone.detail.{int(match[1]) - 3}."),
        (r"^layer([345])\.", lambda match: f"backbone.context.{int(match[1]) - 3}."),
        (
            r"^compression([345])\.(\d)\.",
            lambda match: f"backbone.compressions.{int(match[1]) - 3}.{LAYERS[int(match[2])]}.",
        ),
        (r"^aff(\d)\.(\w+)\.(\d)\.", _attention),
        (r"\.conv_list\.", ".row."),
        (r"\.process1\.(\d)\.", lambda match: f".shortcut.{LAYERS[int(match[1])]}."),
        (r"\.process2\.(\d)\.", lambda match: f".join.{LAYERS[int(match[1])]}."),
        (r"\.bn\.", ".norm."),
        *RESIDUAL,
    ],
)

TABLES = {"dsnet": _TABLE, "dsnet_base": _TABLE}
