"""TopFormer-T as released (arXiv:2204.05525): 1.39 M parameters."""

network = "topformer_t"
model = dict(
    type="Segmentor",
    backbone=dict(type="TopFormer", widths=(16, 32, 64, 96), last_blocks=2, heads=4),
    decode_head=dict(type="TopFormerHead", in_channels=(128, 128, 128)),
)
