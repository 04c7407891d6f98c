"""LiteSeg's names."""

from __future__ import annotations

import re

from lednet_mm.checkpoints.names import NameTable
from lednet_mm.checkpoints.tables.zh320 import mobilenet_v2_block

LAYERS = ("conv", "bn")


def _layer(match: re.Match) -> str:
    # Layers are numbered with their activations: convolution, norm, activation, three times.
    index = int(match[2])
    return f"{match[1]}conv.{index // 3}.{LAYERS[index % 3]}."


TABLES = {
    "liteseg_mobilenet": NameTable(
        rules=[
            (r"^mobile_features\.features\.0\.0\.", "backbone.conv1.conv."),
            (r"^mobile_features\.features\.0\.1\.", "backbone.conv1.bn."),
            (r"^mobile_features\.features\.18\.0\.", "decode_head.expand.conv."),
            (r"^mobile_features\.features\.18\.1\.", "decode_head.expand.norm."),
            (
                r"^mobile_features\.features\.(\d+)\.",
                lambda match: f"backbone.{mobilenet_v2_block(match)}",
            ),
            (r"^(backbone\.layer\d\.\d\.)conv\.(\d)\.", _layer),
            (r"^aspp1\.", "decode_head.flat."),
            (r"^aspp([2-4])\.(conv1|bn1)\.", lambda match: f"aspp{match[1]}.1.{match[2]}."),
            (r"^(aspp\d\.1)\.bn1\.", r"\1.norm."),
            (r"^(aspp\d\.1)\.conv1\.", r"\1."),
            (r"^aspp([2-4])\.(?!1\.)", r"aspp\1.0."),
            (r"^aspp([2-4])\.", lambda match: f"decode_head.branches.{int(match[1]) - 2}."),
            (r"\.atrous_convolution\.", "."),
            (r"^global_avg_pool\.1\.", "decode_head.pooled.conv."),
            (r"^global_avg_pool\.2\.", "decode_head.pooled.norm."),
            (r"^conv1\.", "decode_head.join."),
            (r"^bn1\.", "decode_head.join.norm."),
            (r"^last_conv\.6\.", "decode_head.conv_seg."),
            (r"^last_conv\.([03])\.", lambda match: f"decode_head.fuse.{int(match[1]) // 3}."),
            (r"^last_conv\.([14])\.", lambda match: f"decode_head.fuse.{int(match[1]) // 3}.norm."),
            (r"^(decode_head\..*)\.conv1\.", r"\1.depth."),
            (r"\.pointwise\.", ".point."),
            (r"^(decode_head\..*)\.bn\.", r"\1.norm."),
        ],
        unused=[r"^mobile_features\.classifier\."],
        unused_dropout=[("Dropout", 0.2)],
    ),
}
