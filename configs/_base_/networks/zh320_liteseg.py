"""LiteSeg (arXiv:1912.06683) as re-implemented by zh320, with MobileNetV2: 4.29 M parameters."""

network = "zh320_liteseg"
model = dict(
    type="Segmentor",
    backbone=dict(type="MobileNetV2", out_indices=(2, 6)),
    decode_head=dict(type="ZH320LiteSegHead"),
)
