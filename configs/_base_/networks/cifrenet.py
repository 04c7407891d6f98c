"""CIFReNet as released (arXiv:1907.11474): MobileNetV2 with cascaded context, 1.95 M parameters."""

network = "cifrenet"
model = dict(type="Segmentor", backbone=dict(type="CIFReNet"), decode_head=dict(type="CIFReNetHead"))
