"""SegNet (arXiv:1511.00561): VGG-16 and its mirror image, unpooling by indices, 29.5 M parameters."""

network = "segnet"
model = dict(type="Segmentor", backbone=dict(type="SegNet"), decode_head=dict(type="SegNetHead"))
