"""SINet's names."""

from lednet_mm.checkpoints.names import NameTable

TABLES = {
    "sinet": NameTable(
        rules=[
            (r"^encoder\.level1\.", "backbone.stem."),
            (r"^encoder\.level(\d)_0\.", lambda match: f"backbone.downs.{int(match[1]) - 2}."),
            (
                r"^encoder\.level(\d)\.(\d)\.",
                lambda match: f"backbone.stages.{int(match[1]) - 2}.{match[2]}.",
            ),
            (r"^encoder\.BR(\d)\.", lambda match: f"backbone.merges.{int(match[1]) - 2}."),
            (r"^encoder\.classifier\.conv\.", "decode_head.coarse."),
            (r"^bn_3\.", "decode_head.coarse_norm."),
            (r"^level2_C\.", "decode_head.fine."),
            (r"^bn_2\.", "decode_head.sum_norm."),
            (r"^classifier\.1\.", "decode_head.classifier."),
            (r"(downs\.\d)\.conv\.0\.", r"\1.depth."),
            (r"(downs\.\d)\.conv\.1\.dense\.", r"\1.gate."),
            (r"(downs\.\d)\.conv\.2\.", r"\1.point.conv."),
            (r"(downs\.\d)\.(bn|act)\.", r"\1.point.\2."),
            (r"\.c1\.conv\.", ".reduce."),
            (r"\.BR\.", ".norm_act."),
            (r"\.d(\d)\.", lambda match: f".branches.{int(match[1]) - 1}."),
            (r"(branches\.\d)\.conv\.0\.", r"\1.depth.conv."),
            (r"(branches\.\d)\.conv\.1\.", r"\1.depth.norm."),
            (r"\.act_conv1x1\.0\.", ".depth.act."),
            (r"\.act_conv1x1\.1\.", ".point."),
            (r"\.bn\.", ".norm."),
        ],
    ),
}
