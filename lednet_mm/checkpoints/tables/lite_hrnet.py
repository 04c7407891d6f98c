"""Lite-HRNet's names in a third party's re-implementation (zh320)."""

import re

from lednet_mm.checkpoints.names import NameTable
from lednet_mm.checkpoints.tables.zh320 import UNIT


def _part(match: re.Match) -> str:
    # Their stages are flat lists: weights, blocks and exchange of the first module, then of the second, ...
    module, part = divmod(int(match[2]), 3)
    return f"backbone.stages.{int(match[1]) - 2}.{module}.{('cross', 'blocks', 'sums')[part]}."


TABLES = {
    "zh320_lite_hrnet": NameTable(
        rules=[
            (r"^rep_head\.seg_head\.0\.", "decode_head.fuse."),
            (r"^rep_head\.seg_head\.1\.", "decode_head.conv_seg."),
            (r"^stem\.", "backbone.stem."),
            (r"^stage1_down\.", "backbone.down."),
            (r"^stage(\d)\.stage_blocks\.(\d+)\.", _part),
            (r"left_branch", "left"),
            (r"stem\.1\.right_branch", "stem.1.right"),
            (r"right_branch", "depth"),
            (r"(cross\.conv|sw\.fc)\.0\.", r"\1.squeeze."),
            (r"(cross\.conv|sw\.fc)\.1\.", r"\1.expand."),
            (r"cross\.conv", "cross"),
            (r"sw\.fc", "spatial"),
            # Their streams go from a source to its targets: several separable convolutions to coarser
            # resolutions, one unit (and a resizing) to finer ones.
            (r"stream(\d)\.(\d)\.(conv|0)\.", lambda match: f"{match[2]}.{int(match[1]) - 1}."),
            (r"(sums\.\d\.\d\.\d|head\.fuse|backbone\.down)\.0\.", r"\1.depth."),
            (r"(sums\.\d\.\d\.\d|head\.fuse|backbone\.down)\.1\.", r"\1.point."),
            *UNIT,
        ],
        # In a batch of two, its batch normalisations over global means see only two values. They amplify a
        # change in the 16th digit of the input to 4e-6 of the outputs' spread and 4e-4 of the gradients'.
        training_tolerance=1e-3,
    ),
}
