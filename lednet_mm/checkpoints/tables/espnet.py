"""The names of ESPNet, of its encoder alone, and of the versions whose weights the authors released.

The weights for Cityscapes (``espnet_p_2_q_3.pth``, ``..._5.pth``, ``..._8.pth``; 20 classes, of which the
last is void) belong to ``espnet_q3``, ``espnet_q5`` and ``espnet_q8``; those for CamVid
(``espnet_p_2_q_8_camvid.pth``; 12 classes, of which the last is void) belong to ``espnet``. Their tensors
have no prefix, and there are no counters of batch normalisation.
"""

from lednet_mm.checkpoints.names import NameTable, Rule

ENCODER: list[Rule] = [
    (r"^level(\d)\.", r"backbone.level\1."),
    (r"^level(\d)_0\.", r"backbone.down\1."),
    (r"^b(\d)\.", r"backbone.merge\1."),
]
# level1, the merges and the decoder's last merge have separate norm and activation. A block here has both in
# one module, which the authors call bn in residual blocks and split into bn and act in strided ones.
UNITS: list[Rule] = [
    (r"\.c1\.", ".reduce."),
    (r"\.d(\d+)\.conv\.", lambda match: f".branches.{int(match[1]).bit_length() - 1}."),
    (r"(level[23]\.\d|head\.merge2\.1)\.bn\.", r"\1.norm_act."),
    (r"(down\d)\.(bn|act)\.", r"\1.norm_act.\2."),
    (r"\.bn\.", ".norm."),
]
WHOLE: list[Rule] = [
    (r"^level3_C\.conv\.", "decode_head.project2."),
    (r"^br\.", "decode_head.project3.norm."),
    (r"^conv\.", "decode_head.merge1."),
    (r"^up_l3\.0\.", "decode_head.up3."),
    (r"^combine_l2_l3\.", "decode_head.merge2."),
    (r"^up_l2\.0\.", "decode_head.up2."),
    (r"^up_l2\.1\.", "decode_head.up2_norm_act."),
    (r"^classifier\.", "decode_head.up1."),
    (r"^encoder\.classifier\.", "decode_head.project3."),
    (r"^encoder\.", ""),
    *ENCODER,
    *UNITS,
]

TABLES = {
    "espnet_encoder": NameTable(
        rules=[(r"^classifier\.conv\.", "decode_head.conv_seg."), *ENCODER, *UNITS],
    ),
    **{name: NameTable(rules=WHOLE) for name in ("espnet", "espnet_q3", "espnet_q5", "espnet_q8")},
}
