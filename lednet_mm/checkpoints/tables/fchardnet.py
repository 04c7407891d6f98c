"""FC-HarDNet's names."""

from __future__ import annotations

import re

from lednet_mm.checkpoints.names import NameTable


def _base(match: re.Match) -> str:
    # Four convolutions, then a block, a convolution and, except after the last stage, a pool.
    index = int(match[1])
    if index < 4:
        return f"backbone.stem.{index}."
    stage, part = divmod(index - 4, 3)
    return f"backbone.{('blocks', 'widen')[part]}.{stage}."


TABLES = {
    "fchardnet70": NameTable(
        rules=[
            (r"^base\.(\d+)\.", _base),
            (r"^denseBlocksUp\.", "backbone.ups."),
            (r"^conv1x1_up\.", "backbone.narrow."),
            (r"^finalConv\.", "decode_head.conv_seg."),
        ],
    ),
}
