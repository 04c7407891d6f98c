"""TopFormer-B as released (arXiv:2204.05525): 4.84 M parameters."""

network = "topformer_b"
model = dict(
    type="Segmentor",
    backbone=dict(type="TopFormer", widths=(32, 64, 128, 160), heads=8),
    decode_head=dict(type="TopFormerHead", in_channels=(128, 128, 128)),
)
