"""Rules that the name tables of the LightNet collection share: gates, context blocks and the common head."""

from lednet_mm.checkpoints.names import Rule

SCSE: list[Rule] = [
    (r"channel_excitation\.0", "channel.squeeze"),
    (r"channel_excitation\.2", "channel.excite"),
    (r"spatial_se\.0", "pixel"),
]
SE: list[Rule] = [(r"se_block\.fcs\.0", "se.squeeze"), (r"se_block\.fcs\.2", "se.excite")]

ASPP: list[Rule] = [
    (r"in_norm(\.bn)?\.", "norm_act.norm."),
    (r"gave_pool\.conv1_0", "pooled"),
    (r"conv1x1\.conv1_1", "point"),
    (r"aspp_bra\d\.conv2_1", "dilated.0"),
    (r"aspp_bra\d\.conv2_2", "dilated.1"),
    (r"aspp_bra\d\.conv2_3", "dilated.2"),
    (r"aspp_catdown\.norm_act(\.bn)?\.", "merge_norm_act.norm."),
    (r"aspp_catdown\.conv_down", "merge"),
]

RFB: list[Rule] = [
    (r"down_chs\.norm_act\.", "reduce.0.norm."),
    (r"down_chs\.down_conv1x1", "reduce.1"),
    (r"gave_pool\.norm_act\.", "pooled_norm_act.norm."),
    (r"gave_pool\.conv1_0", "pooled"),
    (r"branch(\d)\.norm_act\.", r"branches.\1.0.norm."),
    (r"branch(\d)\.conv1x\d\.", r"branches.\1.1."),
    (r"branch0\.aconv1\.", "branches.0.2."),
    (r"branch(\d)\.conv\dx1\.", r"branches.\1.2."),
    (r"branch(\d)\.aconv\d\.", r"branches.\1.3."),
    (r"conv_linear\.conv1x1_linear", "merge"),
]

HEAD: list[Rule] = [
    (r"^out_se\.0\.", "backbone.scse."),
    (r"^(aspp|rfblock)\.0\.", "decode_head.context."),
    (r"^score_se\.0\.", "decode_head.scse."),
    (r"^score\.norm\.1\.", "decode_head.mix.0.norm."),
    (r"^score\.conv\.1\.", "decode_head.mix.1."),
    (r"^score\.norm\.2\.", "decode_head.mix.2.norm."),
    (r"^score\.conv\.2\.", "decode_head.conv_seg."),
    *SCSE,
]
"""The rules of the common head; append ``ASPP`` or ``RFB`` for its context block."""
