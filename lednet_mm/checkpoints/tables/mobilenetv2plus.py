"""MobileNetV2Plus's names: with ASPP, with the receptive-field block, and on quarters of the image."""

from lednet_mm.checkpoints.names import AuthorsNetwork, Rule
from lednet_mm.checkpoints.tables.lightnet import ASPP, BORDER, HEAD, LOST_NORMS, REPOSITORY, RFB

TRUNK: list[Rule] = [
    (r"^mod1\.conv1\.0\.", "backbone.stem.conv."),
    (r"^mod1\.conv1\.1\.", "backbone.stem.norm."),
    (
        r"^mod(\d)\.block(\d)\.conv\.",
        lambda match: f"backbone.stages.{int(match[1]) - 2}.{int(match[2]) - 1}.conv.",
    ),
    (r"(stages\.\d\.\d)\.conv\.0", r"\1.expand.conv"),
    (r"(stages\.\d\.\d)\.conv\.1", r"\1.expand.norm"),
    (r"(stages\.\d\.\d)\.conv\.3", r"\1.depth.conv"),
    (r"(stages\.\d\.\d)\.conv\.4", r"\1.depth.norm"),
    (r"(stages\.\d\.\d)\.conv\.6", r"\1.project.conv"),
    (r"(stages\.\d\.\d)\.conv\.7", r"\1.project.norm"),
    *HEAD,
]
PAPER = "none; MobileNetV2: arXiv:1801.04381"
EXPANDED = "The first block has a 1x1 expansion, which MobileNetV2's has not."
LIGHT_HEAD = {"type": "LightNetHead", "in_channels": (40, 712)}

NETWORKS = {
    "mobilenetv2plus": AuthorsNetwork(
        title="MobileNetV2Plus",
        paper=PAPER,
        repository=REPOSITORY,
        deviations=[EXPANDED, BORDER],
        model={"backbone": {"type": "MobileNetV2Plus"}, "decode_head": LIGHT_HEAD},
        rules=[*TRUNK, *ASPP],
    ),
    "rfmobilenetv2plus": AuthorsNetwork(
        title="RF-MobileNetV2Plus",
        paper=PAPER,
        repository=REPOSITORY,
        deviations=[EXPANDED, LOST_NORMS],
        model={"backbone": {"type": "MobileNetV2Plus"}, "decode_head": {**LIGHT_HEAD, "context": "rfb"}},
        rules=[*TRUNK, *RFB],
    ),
    "mobilenetv2share": AuthorsNetwork(
        title="MobileNetV2Share",
        paper=PAPER,
        repository=REPOSITORY,
        deviations=[EXPANDED, BORDER],
        model={
            "backbone": {"type": "MobileNetV2Plus", "quarters": True},
            "decode_head": {**LIGHT_HEAD, "quarters": True, "dilations": (24, 48, 72)},
        },
        rules=[*TRUNK, *ASPP],
    ),
}
