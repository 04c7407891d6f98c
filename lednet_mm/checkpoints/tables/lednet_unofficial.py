"""The unofficial LEDNet's names."""

from lednet_mm.checkpoints.names import NameTable

TABLE = NameTable(
    rules=[
        (r"^downsample_(\d)\.out_activation\.", r"downsample_\1.act."),
        (r"^downsample_(\d)\.", lambda match: f"backbone.stages.{int(match[1]) - 1}.0."),
        (r"^ssnbt_(\d)_(\d)\.", lambda match: f"backbone.stages.{int(match[1]) - 1}.{match[2]}."),
        # One activation serves the whole block; the vectors and files state it first as l_conv2.2.
        (r"\.l_conv2\.2\.", ".act."),
        (r"\.l_conv(\d)\.", r".left.conv\1."),
        (r"\.r_conv(\d)\.", r".right.conv\1."),
        (r"\.conv([24])\.1\.", r".norm\1."),
        (r"\.conv([234])\.0\.", r".conv\1."),
        (r"^apn\.conv_33\.", "decode_head.down1."),
        (r"^apn\.conv_55\.", "decode_head.down2."),
        (r"^apn\.conv_77\.", "decode_head.down3."),
        (r"^apn\.conv_33_toC\.", "decode_head.lateral1."),
        (r"^apn\.conv_55_toC\.", "decode_head.lateral2."),
        (r"^apn\.conv_77_toC\.", "decode_head.lateral3."),
        (r"^apn\.conv_11\.", "decode_head.middle."),
        (r"^apn\.pool_conv_toC\.", "decode_head.pooled."),
        (r"^(decode_head\.\w+)\.0\.", r"\1.conv."),
        (r"^(decode_head\.\w+)\.1\.", r"\1.norm."),
    ],
    # The other names of a block's one activation.
    unused=[r"^ssnbt_.*\.(r_conv2\.2|[lr]_conv3\.1|[lr]_conv4\.2|out_activation)\."],
)

TABLES = {"lednet_unofficial_128": TABLE, "lednet_unofficial_256": TABLE}
