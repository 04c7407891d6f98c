"""ShuffleNetV2Plus's names: with ASPP and with the receptive-field block."""

from lednet_mm.checkpoints.names import NameTable, Rule
from lednet_mm.checkpoints.tables.lightnet import ASPP, HEAD, RFB

TRUNK: list[Rule] = [
    (r"^conv1\.", "backbone.stem.conv."),
    (
        r"^stage(\d)\.ShuffleUnit_Stage\d_(\d)\.",
        lambda match: f"backbone.stages.{int(match[1]) - 2}.{match[2]}.",
    ),
    (r"g_conv_1x1_(compress|expand)\.conv1x1", r"\1.conv"),
    (r"g_conv_1x1_(compress|expand)\.batch_norm", r"\1.norm"),
    (r"depthwise_conv3x3", "depth.conv"),
    (r"bn_after_depthwise", "depth.norm"),
    *HEAD,
]

TABLES = {
    "shufflenetv2plus": NameTable(rules=[*TRUNK, *ASPP]),
    "rfshufflenetv2plus": NameTable(rules=[*TRUNK, *RFB]),
}
