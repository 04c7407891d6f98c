"""CIFReNet's names."""

from __future__ import annotations

import re

from lednet_mm.checkpoints.names import NameTable

CASCADE = {"small": 0, "middle": 1, "larger": 2}


def _block(match: re.Match) -> str:
    # A stage of a single block is that block itself.
    return f"backbone.stages.{int(match[1]) - 2}.{match[2] or '0.'}conv."


TABLES = {
    "cifrenet": NameTable(
        rules=[
            (r"^mod1\.0\.", "backbone.stem.conv."),
            (r"^mod1\.1\.", "backbone.stem.norm."),
            (r"^mod(\d)\.(\d\.)?conv\.", _block),
            (r"(stages\.\d\.\d)\.conv\.0\.", r"\1.expand.conv."),
            (r"(stages\.\d\.\d)\.conv\.1\.", r"\1.expand.norm."),
            (r"(stages\.\d\.\d)\.conv\.3\.", r"\1.depth.conv."),
            (r"(stages\.\d\.\d)\.conv\.4\.", r"\1.depth.norm."),
            (r"(stages\.\d\.\d)\.conv\.6\.", r"\1.project.conv."),
            (r"(stages\.\d\.\d)\.conv\.7\.", r"\1.project.norm."),
            (r"^LRM\.([02])\.", lambda match: f"backbone.refinement.refine.{int(match[1]) // 2}.conv."),
            (r"^LRM\.([13])\.", lambda match: f"backbone.refinement.refine.{int(match[1]) // 2}."),
            (r"^attention\.channel_excitation\.", "backbone.refinement.weigh."),
            (r"^multi_scale\.pool\.", "decode_head.pool."),
            (
                r"^multi_scale\.conv_(\w+?)\.",
                lambda match: f"decode_head.cascade.{CASCADE[match[1]]}.",
            ),
            (r"\.down\.0\.", ".reduce.conv."),
            (r"\.down\.1\.", ".reduce."),
            (r"\.pool\.1\.", ".pool.unit.conv."),
            (r"\.pool\.2\.", ".pool.unit.norm."),
            (r"\.branch_(\d)\.0\.", lambda match: f".branches.{int(match[1]) - 1}.0.conv."),
            (r"\.branch_(\d)\.1\.", lambda match: f".branches.{int(match[1]) - 1}.0."),
            (r"\.branch_(\d)\.2\.", lambda match: f".branches.{int(match[1]) - 1}.1.conv."),
            (r"\.branch_(\d)\.3\.", lambda match: f".branches.{int(match[1]) - 1}.1.norm."),
            (r"\.module_act\.", ".act."),
            (r"^final\.0\.", "decode_head.fuse."),
            (r"^final\.2\.", "decode_head.norm."),
            (r"^final\.5\.", "decode_head.conv_seg."),
            (r"\.bn\.", ".norm."),
        ],
    ),
}
