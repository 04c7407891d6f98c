"""FANet's names, and those of its ResNet."""

from __future__ import annotations

from lednet_mm.checkpoints.names import NameTable, Rule

PLACES = {"32": 0, "16": 1, "8": 2, "4": 3}
SMOOTH = {"32": 0, "16": 1, "4": 2}


def resnet(theirs: str) -> list[Rule]:
    """Return the rules of a ResNet's names, which begin with ``theirs``."""
    return [
        (rf"^{theirs}\.conv1\.", "backbone.stem.conv."),
        (rf"^{theirs}\.bn1\.", "backbone.stem.norm."),
        (rf"^{theirs}\.layer(\d)\.", lambda match: f"backbone.stages.{int(match[1]) - 1}."),
        (r"^(backbone\.stages\.\d\.\d)\.conv([12])\.", r"\1.conv\2.conv."),
        (r"^(backbone\.stages\.\d\.\d)\.bn([12])\.", r"\1.conv\2.norm."),
        (r"^(backbone\.stages\.\d\.\d)\.downsample\.0\.", r"\1.shortcut.conv."),
        (r"^(backbone\.stages\.\d\.\d)\.downsample\.1\.", r"\1.shortcut.norm."),
    ]


TABLES = {
    "fanet18": NameTable(
        rules=[
            *resnet("resnet"),
            (r"^ffm_(\d+)\.up\.", lambda match: f"backbone.ups.{PLACES[match[1]]}."),
            (r"^ffm_(\d+)\.smooth\.", lambda match: f"backbone.smooth.{SMOOTH[match[1]]}."),
            (r"^ffm_(\d+)\.", lambda match: f"backbone.attentions.{PLACES[match[1]]}."),
            (r"\.w_qs\.", ".query."),
            (r"\.w_ks\.", ".key."),
            (r"\.w_vs\.", ".value."),
            (r"\.latlayer3\.", ".fuse."),
            (r"^clslayer_8\.conv_out\.", "decode_head.conv_seg."),
            (r"^clslayer_32\.conv_out\.", "auxiliary_head.0.conv_seg."),
            (r"^clslayer_16\.conv_out\.", "auxiliary_head.1.conv_seg."),
            (r"^clslayer_8\.conv\.", "decode_head.unit."),
            (r"^clslayer_32\.conv\.", "auxiliary_head.0.unit."),
            (r"^clslayer_16\.conv\.", "auxiliary_head.1.unit."),
            (r"\.bn\.", ".norm."),
        ],
        unused=[r"^ffm_8\.smooth\.", r"^ffm_4\.up\."],
    ),
}
