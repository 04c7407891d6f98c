"""SeaFormer-B as released (arXiv:2301.13156): 8.58 M parameters."""

network = "seaformer_b"
model = dict(
    type="Segmentor",
    backbone=dict(type="SeaFormer", depth=4, heads=8),
    decode_head=dict(type="SeaFormerHead", widths=(128, 160)),
)
