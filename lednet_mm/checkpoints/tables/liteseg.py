"""LiteSeg's names in a third party's re-implementation (zh320)."""

from lednet_mm.checkpoints.names import AuthorsNetwork
from lednet_mm.checkpoints.tables.zh320 import REPOSITORY, THIRD_PARTY, UNIT, mobilenet_v2

NETWORKS = {
    "zh320_liteseg": AuthorsNetwork(
        title="LiteSeg with MobileNetV2 (re-implementation by zh320)",
        paper="arXiv:1912.06683",
        repository=REPOSITORY,
        deviations=[THIRD_PARTY, "4.29 M parameters, the paper 4.38 M."],
        model={
            "backbone": {"type": "MobileNetV2", "out_indices": (2, 6)},
            "decode_head": {"type": "LiteSegHead"},
        },
        rules=[
            *mobilenet_v2("backbone", "backbone"),
            (r"^daspp\.stage([1-4])\.", lambda match: f"decode_head.context.branches.{int(match[1]) - 1}."),
            # The 1x1 convolution of the global mean and the classifier are no units.
            (r"^daspp\.stage5\.1\.weight$", "decode_head.context.pooled.bare"),
            (r"^daspp\.conv\.", "decode_head.context.join."),
            (r"^seg_head\.2\.", "decode_head.conv_seg."),
            (r"^seg_head\.", "decode_head.fuse."),
            *UNIT,
            (r"\.bare$", ".weight"),
        ],
    ),
}
