"""LETNet's names."""

from __future__ import annotations

import re

from lednet_mm.checkpoints.names import NameTable


def _block(match: re.Match) -> str:
    row, block = int(match[1]) - 1, match[2]
    return f"backbone.stages.{row}.1.{block}." if row < 3 else f"decode_head.blocks.{row - 3}.{block}."


def _norm_act(match: re.Match) -> str:
    place = int(match[1]) - 2  # the first one ends the stem
    return f"backbone.stages.{place}.2." if place < 3 else f"decode_head.norm_acts.{place - 3}."


TABLES = {
    "letnet": NameTable(
        rules=[
            (r"^init_conv\.", "backbone.stem."),
            (r"^bn_prelu_1\.", "backbone.stem.3."),
            (r"^bn_prelu_(\d)\.", _norm_act),
            # The third one has no pooled branch and therefore is a unit of convolution, norm and activation.
            (r"^downsample_3\.conv3x3\.", "backbone.stages.2.0."),
            (
                r"^downsample_(\d)\.(conv3x3\.)?",
                lambda match: f"backbone.stages.{int(match[1]) - 1}.0.",
            ),
            (r"^DAB_Block_(\d)\.DAB_Module_\d_(\d+)\.", _block),
            (r"^upsample_(\d)\.bn\.", lambda match: f"decode_head.ups.{int(match[1]) - 1}.norm."),
            (r"^upsample_(\d)\.", lambda match: f"decode_head.ups.{int(match[1]) - 1}."),
            (r"^LC(\d)\.dconv3x1\.", lambda match: f"decode_head.connections.{3 - int(match[1])}.0."),
            (r"^LC(\d)\.dconv1x3\.", lambda match: f"decode_head.connections.{3 - int(match[1])}.1."),
            (r"^PA3\.", "decode_head.attend."),
            (r"^classifier\.0\.conv\.", "decode_head.conv_seg."),
            (r"^transformer1\.atten\.proj\.", "backbone.transformer.attention.project."),
            (r"^transformer1\.atten\.", "backbone.transformer.attention."),
            (r"^transformer1\.mlp\.fc1\.", "backbone.transformer.mlp.0."),
            (r"^transformer1\.mlp\.fc2\.", "backbone.transformer.mlp.2."),
            (r"^transformer1\.", "backbone.transformer."),
            (r"\.bn_relu_(\d)\.", r".norm_act\1."),
            (r"\.conv1x1_in\.conv\.", ".reduce.0."),
            (r"\.conv3x1\.", ".reduce.1."),
            (r"\.conv1x3\.", ".reduce.2."),
            (r"\.conv1x1\.conv\.", ".expand."),
            (r"\.ca11\.", ".local.2."),
            (r"\.ca22\.", ".dilated.2."),
            (r"\.dconv3x1\.", ".local.0."),
            (r"\.dconv1x3\.", ".local.1."),
            (r"\.ddconv3x1\.", ".dilated.0."),
            (r"\.ddconv1x3\.", ".dilated.1."),
            (r"\.bn_prelu\.", "."),
            (r"\.bn\.", ".norm."),
            (r"\.acti\.", ".act."),
        ],
        unused=[r"^PA[12]\."],
    ),
}
