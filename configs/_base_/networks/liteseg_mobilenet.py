"""LiteSeg as released (arXiv:1912.06683), with MobileNetV2: 3.10 M parameters."""

network = "liteseg_mobilenet"
model = dict(
    type="Segmentor",
    backbone=dict(type="MobileNetV2", out_indices=(1, 6)),
    decode_head=dict(type="LiteSegHead"),
)
