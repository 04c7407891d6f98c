"""FSSNet's names in Efficient-Segmentation-Networks."""

from lednet_mm.checkpoints.names import NameTable

TABLES = {
    "fssnet": NameTable(
        rules=[
            (r"^initial_block\.conv", "backbone.initial.conv.conv"),
            (r"^initial_block\.bn", "backbone.initial.conv.norm"),
            (r"^downsample(\d)_0\.", r"backbone.down\1."),
            (r"main_max1", "main"),
            (r"(down\d)\.ext_conv(\d)\.0", lambda match: f"{match[1]}.branch.{int(match[2]) - 1}.conv"),
            (r"(down\d)\.ext_conv(\d)\.1", lambda match: f"{match[1]}.branch.{int(match[2]) - 1}.norm"),
            (
                r"^(?:factorized|dilated)(\d)_(\d)\.",
                lambda match: f"backbone.blocks{match[1]}.{int(match[2]) - 1}.",
            ),
            (
                r"^bottleneck(\d)_(\d)\.",
                lambda match: f"decode_head.blocks{int(match[1]) - 3}.{int(match[2]) - 1}.",
            ),
            (r"^upsample(\d)_0\.", lambda match: f"decode_head.up{int(match[1]) - 3}."),
            (r"main_conv1\.0", "main.conv"),
            (r"main_conv1\.1", "main.norm"),
            (r"ext_conv2\.0", "deconv"),
            (r"ext_conv2\.1", "norm"),
            (r"(blocks\d\.\d|up\d)\.(?:compress_conv1|conv1|ext_conv1\.0)\.", r"\1.reduce.conv."),
            (r"(blocks\d\.\d|up\d)\.(?:conv1_bn|ext_conv1\.1)\.", r"\1.reduce.norm."),
            (r"(blocks\d\.\d|up\d)\.(?:extend_conv3|conv4|ext_conv3\.0)\.", r"\1.expand.conv."),
            (r"(blocks\d\.\d|up\d)\.(?:conv3_bn|conv4_bn|ext_conv3\.1)\.", r"\1.expand.norm."),
            (r"conv2_1\.", "middle.0.conv."),
            (r"conv2_2\.", "middle.1.conv."),
            (r"conv2_1_bn", "middle.0.norm"),
            (r"conv2_2_bn", "middle.1.norm"),
            (r"conv2\.", "middle.conv."),
            (r"conv2_bn", "middle.norm"),
            (r"^transposed_conv", "decode_head.classifier"),
        ],
    ),
}
