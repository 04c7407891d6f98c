"""ShelfNet's names."""

from __future__ import annotations

from lednet_mm.checkpoints.names import NameTable
from lednet_mm.checkpoints.tables.fanet import resnet

COLUMNS = {"decoder": "decoder_", "ladder": ""}
HEADS = {"": "decode_head", "16": "auxiliary_head.0", "32": "auxiliary_head.1"}

TABLES = {
    "shelfnet18": NameTable(
        rules=[
            (r"^conv_out(16|32|)\.conv_out\.", lambda match: f"{HEADS[match[1]]}.conv_seg."),
            (r"^conv_out(16|32|)\.conv\.", lambda match: f"{HEADS[match[1]]}.unit."),
            *resnet("backbone"),
            (r"^trans(\d)\.", lambda match: f"backbone.laterals.{int(match[1]) - 1}."),
            (
                r"^(decoder|ladder)\.up_conv_list\.(\d)\.conv\.",
                lambda match: f"backbone.{COLUMNS[match[1]]}ups.{match[2]}.reduce.",
            ),
            (
                r"^(decoder|ladder)\.up_conv_list\.(\d)\.conv_atten\.",
                lambda match: f"backbone.{COLUMNS[match[1]]}ups.{match[2]}.weigh.conv.",
            ),
            (
                r"^(decoder|ladder)\.up_conv_list\.(\d)\.bn_atten\.",
                lambda match: f"backbone.{COLUMNS[match[1]]}ups.{match[2]}.weigh.norm.",
            ),
            (
                r"^(decoder|ladder)\.up_dense_list\.(\d)\.",
                lambda match: f"backbone.{COLUMNS[match[1]]}ups.{match[2]}.smooth.",
            ),
            (r"^(decoder|ladder)\.bottom\.", lambda match: f"backbone.{COLUMNS[match[1]]}bottom."),
            (r"^ladder\.inconv\.", "backbone.entry."),
            (r"^ladder\.down_module_list\.", "backbone.downs."),
            (r"^ladder\.down_conv_list\.", "backbone.shrinks."),
            (r"(bottom|entry|downs\.\d)\.conv1\.", r"\1.conv."),
            (r"(bottom|entry|downs\.\d)\.bn([12])\.", r"\1.norm\2."),
            (r"\.bn\.", ".norm."),
        ],
        unused=[r"^decoder\.inconv\."],
        unused_dropout=[("Dropout2d", 0.1)],
    ),
}
