"""MobileNetV2Plus's names: with ASPP, with the receptive-field block, and on quarters of the image."""

from lednet_mm.checkpoints.names import NameTable, Rule
from lednet_mm.checkpoints.tables.lightnet import ASPP, HEAD, RFB

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

TABLES = {
    "mobilenetv2plus": NameTable(rules=[*TRUNK, *ASPP]),
    "rfmobilenetv2plus": NameTable(rules=[*TRUNK, *RFB]),
    "mobilenetv2share": NameTable(rules=[*TRUNK, *ASPP]),
}
