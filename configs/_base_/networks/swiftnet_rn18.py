"""SwiftNet as released (arXiv:1903.08469), with ResNet-18 and one scale: 11.8 M parameters."""

network = "swiftnet_rn18"
model = dict(type="Segmentor", backbone=dict(type="ResNet", depth=18), decode_head=dict(type="SwiftNetHead"))
