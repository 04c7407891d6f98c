"""TopFormer-S as released for ADE20K (arXiv:2204.05525): 3.01 M parameters."""

network = "topformer_s"
model = dict(
    type="Segmentor",
    backbone=dict(type="TopFormer", widths=(24, 48, 96, 128), heads=6, channels=192),
    decode_head=dict(type="TopFormerHead", in_channels=(192, 192, 192)),
)
