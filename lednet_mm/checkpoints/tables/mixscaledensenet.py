"""MixedScaleDenseNet's names."""

from lednet_mm.checkpoints.names import AuthorsNetwork
from lednet_mm.checkpoints.tables.lightnet import ASPP, BORDER, HEAD, REPOSITORY

NETWORKS = {
    "mixscaledensenet": AuthorsNetwork(
        title="MixedScaleDenseNet",
        paper="doi:10.1073/pnas.1715832114",
        repository=REPOSITORY,
        deviations=[
            "The dense layers work at 1/4 of the image, the paper's at full resolution.",
            BORDER,
        ],
        model={
            "backbone": {"type": "MixedScaleDenseNet"},
            "decode_head": {
                "type": "LightNetHead",
                "in_channels": (160,),
                "context_channels": 160,
                "dilations": (24, 48, 72),
            },
        },
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
