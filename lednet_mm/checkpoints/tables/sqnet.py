"""SQNet's names in Efficient-Segmentation-Networks."""

from lednet_mm.checkpoints.names import NameTable

TABLES = {
    "sqnet": NameTable(
        rules=[
            (r"^conv1\.", "backbone.stem.conv."),
            (r"^fire(\d)_(\d)\.", lambda match: f"backbone.stages.{int(match[1]) - 1}.{match[2]}."),
            (r"(stages\.\d\.\d)\.conv1", r"\1.squeeze.conv"),
            (r"(stages\.\d\.\d)\.conv2", r"\1.expand1"),
            (r"(stages\.\d\.\d)\.conv3", r"\1.expand3"),
            (
                r"^parallel\.dilated_conv_(\d)\.",
                lambda match: f"backbone.parallel.branches.{int(match[1]) - 1}.conv.",
            ),
            (r"^deconv4\.", "decode_head.classifier."),
            (r"^deconv(\d)\.", lambda match: f"decode_head.steps.{int(match[1]) - 1}.up.conv."),
            (r"^conv(\d)_1\.", lambda match: f"decode_head.steps.{3 - int(match[1])}.skip.conv."),
            (r"^conv(\d)_2\.", lambda match: f"decode_head.steps.{3 - int(match[1])}.out.conv."),
        ],
    ),
}
