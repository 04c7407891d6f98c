"""EfficientViT-Seg-B0 as released (arXiv:2205.14756): 0.71 M parameters."""

network = "efficientvit_seg_b0"
model = dict(type="Segmentor", backbone=dict(type="EfficientViT"), decode_head=dict(type="EfficientViTHead"))
