"""MiniNet-v2's names in a third party's re-implementation (zh320)."""

from lednet_mm.checkpoints.names import AuthorsNetwork
from lednet_mm.checkpoints.tables.zh320 import LAST_NORM, REPOSITORY, THIRD_PARTY, UNIT

NETWORKS = {
    "zh320_mininetv2": AuthorsNetwork(
        title="MiniNet-v2 (re-implementation by zh320)",
        paper="IEEE Transactions on Robotics, 2020",
        repository=REPOSITORY,
        deviations=[THIRD_PARTY, LAST_NORM, "0.51 M parameters, the paper 0.5 M."],
        model={"backbone": {"type": "MiniNetV2"}, "decode_head": {"type": "MiniNetV2Head"}},
        rules=[
            (r"^d1_2\.", "backbone.stem."),
            (r"^ref\.", "backbone.detail."),
            (r"^m1_10\.", "backbone.middle."),
            (r"^d3\.", "backbone.down."),
            (r"^feature_extractor\.", "backbone.high."),
            (r"^up1\.", "decode_head.up."),
            (r"^m26_29\.", "decode_head.blocks."),
            (r"^output\.", "decode_head.classifier."),
            (r"\.ddw_conv\.", ".dilated."),
            (r"\.dw_conv\.", ".depth."),
            (r"\.pw_conv\.", ".point."),
            *UNIT,
        ],
    ),
}
