"""CFPNet's names."""

from lednet_mm.checkpoints.names import NameTable

TABLES = {
    "cfpnet": NameTable(
        rules=[
            (r"^classifier\.0\.conv", "decode_head.conv_seg"),
            (r"^init_conv\.", "backbone.stem."),
            (r"^bn_prelu_(\d)\.", lambda match: f"backbone.merges.{int(match[1]) - 1}."),
            # The first one has a pooled branch and therefore is not a unit of convolution, norm and
            # activation.
            (r"^downsample_1\.(conv3x3\.)?", "backbone.downsamples.0."),
            (r"^downsample_2\.(conv3x3\.)?", "backbone.downsamples.1."),
            (
                r"^CFP_Block_(\d)\.CFP_Module_\d_(\d)\.",
                lambda match: f"backbone.stages.{int(match[1]) - 1}.{match[2]}.",
            ),
            (r"\.bn_relu_(\d)\.", r".norm_act\1."),
            (r"\.conv1x1_1\.", ".reduce."),
            (r"\.conv1x1\.conv\.", ".expand."),
            (
                r"\.dconv(3x1|1x3)_(\d)_(\d)\.",
                lambda m: f".pyramids.{int(m[2]) - 1}.levels.{int(m[3]) - 1}.{int(m[1] == '1x3')}.",
            ),
            (r"\.bn_prelu\.", "."),
            (r"\.bn\.", ".norm."),
            (r"\.acti\.", ".act."),
        ],
    ),
}
