"""The names of BiSeNetV1 and BiSeNetV2 in CoinCheung's implementation."""

from __future__ import annotations

import re

from lednet_mm.checkpoints.names import NameTable

LAYERS = ("conv", "bn")
HEADS = {"": "decode_head", "16": "auxiliary_head.0", "32": "auxiliary_head.1"}
BOOSTERS = {"2": 0, "3": 1, "4": 2, "5_4": 3}
AGGREGATION = {
    "left1": "detail_dwconv.0",
    "left2": "detail_down.0",
    "right1": "semantic_conv.0",
    "right2": "semantic_dwconv.0",
}
SEPARABLE = ("depthwise_conv.conv", "depthwise_conv.bn", "pointwise_conv.conv", "pointwise_conv.bn")


def _aggregation(match: re.Match) -> str:
    layer = int(match[2])
    layers = SEPARABLE if match[1] in ("left1", "right2") else LAYERS
    return f"backbone.bga.{AGGREGATION[match[1]]}.{layers[layer]}."


def _depthwise(match: re.Match) -> str:
    # The blocks that halve the size have two depth-wise convolutions.
    return f".dwconv.{int(match[1] or 1) - 1}.{LAYERS[int(match[2])]}."


TABLES = {
    "bisenetv1": NameTable(
        rules=[
            (r"^conv_out(16|32|)\.conv_out\.", lambda match: f"{HEADS[match[1]]}.conv_seg."),
            (r"^conv_out(16|32|)\.conv\.bn\.", lambda match: f"{HEADS[match[1]]}.unit.norm."),
            (r"^conv_out(16|32|)\.conv\.", lambda match: f"{HEADS[match[1]]}.unit."),
            (r"^cp\.resnet\.", "backbone.context_path.backbone."),
            (r"^cp\.conv_avg\.", "backbone.context_path.gap_conv.1."),
            (r"^cp\.(arm\d+)\.conv\.", r"backbone.context_path.\1.conv_layer."),
            (r"^cp\.(arm\d+)\.conv_atten\.", r"backbone.context_path.\1.atten_conv_layer.1.conv."),
            (r"^cp\.(arm\d+)\.bn_atten\.", r"backbone.context_path.\1.atten_conv_layer.1.bn."),
            (r"^cp\.", "backbone.context_path."),
            (r"^sp\.conv_out\.", "backbone.spatial_path.layer4."),
            (r"^sp\.conv(\d)\.", r"backbone.spatial_path.layer\1."),
            (r"^ffm\.convblk\.", "backbone.ffm.conv1."),
            (r"^ffm\.", "backbone.ffm.conv_atten.0."),
        ],
    ),
    "bisenetv2": NameTable(
        rules=[
            (r"^head\.conv_out\.1\.", "decode_head.conv_seg."),
            (r"^head\.conv\.bn\.", "decode_head.unit.norm."),
            (r"^head\.conv\.", "decode_head.unit."),
            (r"^aux(5_4|\d)\.", lambda match: f"auxiliary_head.{BOOSTERS[match[1]]}."),
            (r"^(auxiliary_head\.\d)\.conv_out\.0\.1\.", r"\1.second."),
            (r"^(auxiliary_head\.\d)\.conv_out\.1\.", r"\1.conv_seg."),
            (r"^(auxiliary_head\.\d)\.conv\.", r"\1.first."),
            (r"^(auxiliary_head\..*)\.bn\.", r"\1.norm."),
            (
                r"^detail\.S(\d)\.",
                lambda match: f"backbone.detail.detail_branch.{int(match[1]) - 1}.",
            ),
            (r"^segment\.S1S2\.left\.", "backbone.semantic.stage1.convs."),
            (r"^segment\.S1S2\.conv\.", "backbone.semantic.stage1.conv_first."),
            (r"^segment\.S1S2\.fuse\.", "backbone.semantic.stage1.fuse_last."),
            (r"^segment\.S5_5\.bn\.", "backbone.semantic.stage4_CEBlock.gap.1."),
            (r"^segment\.S5_5\.", "backbone.semantic.stage4_CEBlock."),
            (r"^segment\.S5_4\.", "backbone.semantic.stage4."),
            (r"^segment\.S(\d)\.", lambda match: f"backbone.semantic.stage{int(match[1]) - 1}."),
            (r"\.dwconv([12])?\.(\d)\.", _depthwise),
            (r"\.conv2\.(\d)\.", lambda match: f".conv2.0.{LAYERS[int(match[1])]}."),
            (r"\.shortcut\.(\d)\.", lambda match: f".shortcut.0.{SEPARABLE[int(match[1])]}."),
            (r"^bga\.conv\.(\d)\.", lambda match: f"backbone.bga.conv.{LAYERS[int(match[1])]}."),
            (r"^bga\.(\w+)\.(\d)\.", _aggregation),
        ],
    ),
}
