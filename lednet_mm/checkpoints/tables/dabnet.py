"""DABNet's names."""

from lednet_mm.checkpoints.names import NameTable

TABLES = {
    "dabnet": NameTable(
        rules=[
            (r"^classifier\.0\.conv", "decode_head.conv_seg"),
            (r"^init_conv\.", "backbone.stem."),
            (r"^bn_prelu_(\d)\.", lambda match: f"backbone.merges.{int(match[1]) - 1}."),
            # The first one has a pooled branch and therefore is not a unit of convolution, norm and
            # activation.
            (r"^downsample_1\.(conv3x3\.)?", "backbone.downsamples.0."),
            (r"^downsample_2\.(conv3x3\.)?", "backbone.downsamples.1."),
            (
                r"^DAB_Block_(\d)\.DAB_Module_\d_(\d)\.",
                lambda match: f"backbone.stages.{int(match[1]) - 1}.{match[2]}.",
            ),
            (r"\.bn_relu_(\d)\.", r".norm_act\1."),
            (r"\.conv3x3\.", ".reduce."),
            (r"\.conv1x1\.conv\.", ".expand."),
            (r"\.dconv3x1\.", ".local.0."),
            (r"\.dconv1x3\.", ".local.1."),
            (r"\.ddconv3x1\.", ".dilated.0."),
            (r"\.ddconv1x3\.", ".dilated.1."),
            (r"\.bn_prelu\.", "."),
            (r"\.bn\.", ".norm."),
            (r"\.acti\.", ".act."),
        ],
    ),
}
