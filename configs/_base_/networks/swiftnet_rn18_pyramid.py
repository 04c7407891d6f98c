"""SwiftNet as released (arXiv:1903.08469), with ResNet-18 and a pyramid of images: 12.1 M parameters."""

network = "swiftnet_rn18_pyramid"
model = dict(
    type="Segmentor",
    backbone=dict(type="PyramidSwiftNet"),
    decode_head=dict(type="PyramidSwiftNetHead"),
)
