"""FarSee-Net (arXiv:2003.03913) as re-implemented by zh320, with ResNet-18: 16.75 M parameters."""

network = "farseenet"
model = dict(
    type="Segmentor",
    backbone=dict(type="ResNet", depth=18, out_indices=(2, 3)),
    decode_head=dict(type="FarSeeNetHead"),
)
