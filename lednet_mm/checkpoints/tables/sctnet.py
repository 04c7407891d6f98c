"""SCTNet's names."""

from lednet_mm.checkpoints.names import NameTable
from lednet_mm.checkpoints.tables.ddrnet import PYRAMID, RESIDUAL, STEM

_TABLE = NameTable(
    rules=[
        (r"^auxiliary_head\.0\.", "auxiliary_head."),
        (r"_head\.bn1\.", "_head.unit.norm."),
        (r"_head\.conv1\.", "_head.unit.conv."),
        (r"_head\.bn2\.", "_head.norm_act.norm."),
        (r"^backbone\.", ""),
        *STEM,
        (r"^layer3\.", "backbone.deep.1."),
        (r"^layer3_2\.", "backbone.deep.3."),
        (r"^convdown4\.0\.", "backbone.deep.4.conv."),
        (r"^convdown4\.1\.", "backbone.deep.4.norm."),
        (r"^layer4\.", "backbone.deep.5."),
        (r"^layer5\.", "backbone.deep.7."),
        (r"^spp\.", "backbone.context."),
        (r"\.attn_l\.kv$", ".attention.vertical"),
        (r"\.attn_l\.kv3$", ".attention.horizontal"),
        (r"\.attn_l\.", ".attention."),
        (r"\.mlp_l\.norm\.", ".mlp.0."),
        (r"\.mlp_l\.conv1\.", ".mlp.1."),
        (r"\.mlp_l\.conv2\.", ".mlp.3."),
        *PYRAMID,
        *RESIDUAL,
    ],
)

TABLES = {"sctnet_s": _TABLE, "sctnet_b": _TABLE}
