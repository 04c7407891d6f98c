"""ShuffleNetV2Plus's names: with ASPP and with the receptive-field block."""

from lednet_mm.checkpoints.names import AuthorsNetwork, Rule
from lednet_mm.checkpoints.tables.lightnet import ASPP, BORDER, HEAD, LOST_NORMS, REPOSITORY, RFB

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
PAPER = "none; ShuffleNet: arXiv:1707.01083"
V1_UNITS = (
    "The units are those of ShuffleNet v1; the first convolution has neither normalisation nor activation."
)
LIGHT_HEAD = {"type": "LightNetHead", "in_channels": (48, 1728)}

NETWORKS = {
    "shufflenetv2plus": AuthorsNetwork(
        title="ShuffleNetV2Plus",
        paper=PAPER,
        repository=REPOSITORY,
        deviations=[V1_UNITS, BORDER],
        model={"backbone": {"type": "ShuffleNetV2Plus"}, "decode_head": LIGHT_HEAD},
        rules=[*TRUNK, *ASPP],
    ),
    "rfshufflenetv2plus": AuthorsNetwork(
        title="RF-ShuffleNetV2Plus",
        paper=PAPER,
        repository=REPOSITORY,
        deviations=[V1_UNITS, LOST_NORMS],
        model={"backbone": {"type": "ShuffleNetV2Plus"}, "decode_head": {**LIGHT_HEAD, "context": "rfb"}},
        rules=[*TRUNK, *RFB],
    ),
}
