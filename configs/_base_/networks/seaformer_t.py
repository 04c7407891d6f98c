"""SeaFormer-T as released for ADE20K (arXiv:2301.13156): 1.65 M parameters."""

network = "seaformer_t"
model = dict(
    type="Segmentor",
    backbone=dict(type="SeaFormer", widths=(16, 32, 64, 128, 160), expansion=3, depth=2, heads=4),
    decode_head=dict(type="SeaFormerHead", in_channels=(32, 128, 160), widths=(64, 96)),
)
