"""FANet's names in a third party's re-implementation (zh320)."""

from lednet_mm.checkpoints.names import AuthorsNetwork
from lednet_mm.checkpoints.tables.zh320 import REPOSITORY, THIRD_PARTY, UNIT

NETWORKS = {
    "zh320_fanet": AuthorsNetwork(
        title="FANet-18 (re-implementation by zh320)",
        paper="arXiv:2007.03815",
        repository=REPOSITORY,
        deviations=[
            THIRD_PARTY,
            "The attention weights are products of queries with keys over positions, applied to the values; "
            "the paper's are products of keys with values, applied to the queries.",
            "It computes a matrix of positions by positions; the deployment form takes the same product "
            "at linear cost.",
        ],
        model={
            "backbone": {"type": "ResNet", "depth": 18, "strides": (2, 2, 2, 2)},
            "decode_head": {"type": "FANetHead"},
        },
        rules=[
            (r"^fast_attention\.(\d)\.conv_q\.", r"decode_head.attentions.\1.query."),
            (r"^fast_attention\.(\d)\.conv_k\.", r"decode_head.attentions.\1.key."),
            (r"^fast_attention\.(\d)\.conv_v\.", r"decode_head.attentions.\1.value."),
            (r"^fast_attention\.(\d)\.conv_fuse\.", r"decode_head.attentions.\1.fuse."),
            (r"^fuse_up\.(\d)\.up\.", r"decode_head.ups.\1."),
            (r"^fuse_up\.(\d)\.conv\.", r"decode_head.fuse.\1."),
            (r"^seg_head\.0\.", "decode_head.join."),
            (r"^seg_head\.1\.weight$", "decode_head.conv_seg.weight"),
            *UNIT,
        ],
    ),
}
