"""CANet's names in a third party's re-implementation (zh320)."""

from lednet_mm.checkpoints.names import AuthorsNetwork
from lednet_mm.checkpoints.tables.zh320 import LAST_NORM, REPOSITORY, THIRD_PARTY, UNIT, mobilenet_v2

NETWORKS = {
    "zh320_canet": AuthorsNetwork(
        title="CANet (re-implementation by zh320)",
        paper="arXiv:1907.10958",
        repository=REPOSITORY,
        deviations=[THIRD_PARTY, LAST_NORM, "4.77 M parameters, the paper's 4.8 M."],
        model={"backbone": {"type": "CANet"}, "decode_head": {"type": "CANetHead"}},
        rules=[
            (r"^spatial_branch\.", "backbone.spatial."),
            *mobilenet_v2("context_branch.backbone", "backbone.trunk"),
            (r"^context_branch\.up", "backbone.up"),
            (r"^fca\.conv_init\.", "decode_head.join."),
            (r"^fca\.sa\.0\.", "decode_head.position_weight."),
            (r"^fca\.ca\.fc\.", "decode_head.channel_weight."),
            (r"^fca\.conv_last\.", "decode_head.classify."),
            (r"^up\.", "decode_head.up."),
            *UNIT,
        ],
    ),
}
