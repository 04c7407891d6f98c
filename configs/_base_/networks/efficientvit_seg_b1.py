"""EfficientViT-Seg-B1 as released (arXiv:2205.14756): 4.80 M parameters."""

network = "efficientvit_seg_b1"
model = dict(
    type="Segmentor",
    backbone=dict(type="EfficientViT", widths=(16, 32, 64, 128, 256), depths=(1, 2, 3, 3, 4)),
    decode_head=dict(type="EfficientViTHead", in_channels=(64, 128, 256), width=64, depth=3),
)
