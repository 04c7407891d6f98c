"""MixedScaleDenseNet's names."""

from lednet_mm.checkpoints.names import NameTable
from lednet_mm.checkpoints.tables.lightnet import ASPP, HEAD

TABLES = {
    "mixscaledensenet": NameTable(
        rules=[
            (r"^conv_in\.", "backbone.stem."),
            (r"^dense\.convs3\.(\d+)\.bn\.", r"backbone.layers.\1.norm_act.norm."),
            (r"^dense\.convs3\.", "backbone.layers."),
            (r"^feat_out\.", "backbone.norm_act.norm."),
            *HEAD,
            *ASPP,
        ],
    ),
}
