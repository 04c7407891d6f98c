"""SeaFormer-S as released (arXiv:2301.13156): 3.97 M parameters."""

network = "seaformer_s"
model = dict(
    type="Segmentor",
    backbone=dict(type="SeaFormer", widths=(24, 48, 96, 160, 192), depth=3, heads=6),
    decode_head=dict(type="SeaFormerHead", in_channels=(48, 160, 192), widths=(96, 128)),
)
