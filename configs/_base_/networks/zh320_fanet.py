"""FANet-18 (arXiv:2007.03815) as re-implemented by zh320: 12.26 M parameters."""

network = "zh320_fanet"
model = dict(
    type="Segmentor",
    backbone=dict(type="ResNet", depth=18, strides=(2, 2, 2, 2)),
    decode_head=dict(type="ZH320FANetHead"),
)
