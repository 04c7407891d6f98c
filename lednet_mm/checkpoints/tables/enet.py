"""ENet's names in its port to PyTorch."""

from lednet_mm.checkpoints.names import NameTable, Rule

# Each of their convolutions is a sequence of convolution, norm and activation, numbered from 0.
UNIT: list[Rule] = [
    (r"\.0\.(\w+)$", r".conv.\1"),
    (r"\.1\.(\w+)$", r".norm.\1"),
    (r"\.2\.weight$", ".act.weight"),
]

TABLES = {
    "enet": NameTable(
        rules=[
            # Two units in one sequence.
            (
                r"^(asymmetric\d_\d\.ext_conv2)\.([0-5])\.",
                lambda match: f"{match[1]}.{int(match[2]) // 3}.{int(match[2]) % 3}.",
            ),
            (r"^transposed_conv\.", "decode_head.conv_seg."),
            (r"^initial_block\.main_branch\.", "backbone.initial.conv."),
            (r"^initial_block\.batch_norm\.", "backbone.initial.norm."),
            (r"^initial_block\.", "backbone.initial."),
            (r"^(down|up)sample(\d)_0\.", r"backbone.\1\2."),
            # Their stages 1, 2, 4 and 5 start with the resampling and number their blocks from 1; stage 3 has
            # no resampling and numbers them from 0. Stages 2 and 3 are one sequence here.
            (
                r"^(?:regular|dilated|asymmetric)([1245])_(\d)\.",
                lambda match: f"backbone.stage{match[1]}.{int(match[2]) - 1}.",
            ),
            (
                r"^(?:regular|dilated|asymmetric)3_(\d)\.",
                lambda match: f"backbone.stage2.{int(match[1]) + 8}.",
            ),
            (r"\.out_activation\.", ".act."),
            # The upsampling has a second branch and other convolutions.
            (r"\.main_conv1\.", ".project."),
            (r"(up\d)\.ext_conv1\.", r"\1.reduce."),
            (r"(up\d)\.ext_conv2\.", r"\1.expand."),
            (r"\.ext_tconv1\.", ".deconv."),
            (r"\.ext_tconv1_bnorm\.", ".norm_act.norm."),
            (r"\.ext_conv1\.", ".extension.reduce."),
            (r"\.ext_conv3\.", ".extension.expand."),
            (r"\.ext_conv2\.", ".extension.middle."),
            *UNIT,
        ],
    ),
}
