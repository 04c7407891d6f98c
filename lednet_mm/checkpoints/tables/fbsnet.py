"""FBSNet's names."""

from __future__ import annotations

import re
from collections.abc import Callable

from lednet_mm.checkpoints.names import NameTable


def _unit(match: re.Match) -> str:
    stage, unit = int(match[1]), match[2]
    # The first stage begins with attention, the others with a change of size.
    return f"backbone.stages.{stage}.1.{unit}." if stage < 4 else f"decode_head.ups.{stage - 4}.1.{unit}."


def _after(layer: int) -> Callable[[re.Match], str]:
    def name(match: re.Match) -> str:
        stage = int(match[1]) - 1
        return f"backbone.stages.{stage}.{layer}." if stage < 4 else f"decode_head.ups.{stage - 4}.{layer}."

    return name


TABLES = {
    "fbsnet": NameTable(
        rules=[
            (r"^init_conv\.", "backbone.stages.0."),
            (r"^bn_prelu_1\.", "backbone.stages.0.3."),
            (r"^bn_prelu_8\.", "decode_head.norm_act."),
            (r"^bn_prelu_(\d)\.", _after(2)),
            (r"^attention1_1\.", "backbone.stages.1.0."),
            (r"^attention(\d)_1\.", _after(3)),
            (r"^downsample_1\.(conv3x3\.)?", "backbone.stages.2.0."),
            (r"^downsample_2\.(conv3x3\.)?", "backbone.stages.3.0."),
            (r"^upsample_1\.bn\.", "decode_head.ups.0.0.norm."),
            (r"^upsample_2\.bn\.", "decode_head.ups.1.0.norm."),
            (r"^upsample_1\.", "decode_head.ups.0.0."),
            (r"^upsample_2\.", "decode_head.ups.1.0."),
            (r"^BRU_Block_(\d)\.BRU_Module_\d_(\d+)\.", _unit),
            (r"^conv_sipath(\d)\.", lambda match: f"decode_head.detail.{int(match[1]) - 1}."),
            (r"^atten_sipath\.conv1\.", "decode_head.detail.3.conv."),
            (r"^endatten\.conv1\.", "decode_head.attend.reduce.conv."),
            (r"^endatten\.bn1\.", "decode_head.attend.reduce.norm."),
            (r"^endatten\.conv_h\.", "decode_head.attend.rows."),
            (r"^endatten\.conv_w\.", "decode_head.attend.columns."),
            (r"^output_conv\.", "decode_head.classifier."),
            (r"\.bn_relu_(\d)\.", r".norm_act\1."),
            (r"\.conv1x1_init\.", ".reduce."),
            (r"\.conv1x1\.conv\.", ".expand."),
            (r"\.ca0\.", ".attend_reduced."),
            (r"\.ca11\.", ".local.attend."),
            (r"\.ca22\.", ".dilated.attend."),
            (r"\.ca\.", ".attend."),
            (r"\.dconv3x1\.", ".local.first.0."),
            (r"\.dconv1x3\.", ".local.first.1."),
            (r"\.dconv1x3_l\.", ".local.second.0."),
            (r"\.dconv3x1_l\.", ".local.second.1."),
            (r"\.ddconv3x1\.", ".dilated.first.0."),
            (r"\.ddconv1x3\.", ".dilated.first.1."),
            (r"\.ddconv1x3_r\.", ".dilated.second.0."),
            (r"\.ddconv3x1_r\.", ".dilated.second.1."),
            (r"\.bn_prelu\.", "."),
            (r"\.bn\.", ".norm."),
            (r"\.acti\.", ".act."),
        ],
        unused=[r"^bn_prelu_9\."],
    ),
}
