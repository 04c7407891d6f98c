"""LinkNet's names in Efficient-Segmentation-Networks."""

from lednet_mm.checkpoints.names import NameTable

TABLES = {
    "linknet": NameTable(
        rules=[
            (r"^conv1\.", "backbone.stem.conv."),
            (r"^bn1\.", "backbone.stem.norm."),
            (
                r"^encoder(\d)\.block(\d)\.",
                lambda match: f"backbone.stages.{int(match[1]) - 1}.{int(match[2]) - 1}.",
            ),
            (r"(stages\.\d\.\d)\.conv(\d)", r"\1.conv\2.conv"),
            (r"(stages\.\d\.\d)\.bn(\d)", r"\1.conv\2.norm"),
            (r"downsample\.0", "shortcut.conv"),
            (r"downsample\.1", "shortcut.norm"),
            (r"^decoder(\d)\.", lambda match: f"decode_head.blocks.{int(match[1]) - 1}."),
            (r"(blocks\.\d)\.conv1\.0", r"\1.reduce.conv"),
            (r"(blocks\.\d)\.conv1\.1", r"\1.reduce.norm"),
            (r"(blocks\.\d)\.conv2\.0", r"\1.expand.conv"),
            (r"(blocks\.\d)\.conv2\.1", r"\1.expand.norm"),
            (r"(blocks\.\d)\.tp_conv", r"\1.up"),
            (r"^tp_conv1\.", "decode_head.up."),
            (r"^conv2\.0\.", "decode_head.conv.conv."),
            (r"^conv2\.1\.", "decode_head.conv.norm."),
            (r"^tp_conv2\.", "decode_head.classifier."),
        ],
    ),
}
