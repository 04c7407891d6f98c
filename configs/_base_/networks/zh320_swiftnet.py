"""SwiftNet (arXiv:1903.08469) as re-implemented by zh320, with ResNet-18: 11.95 M parameters."""

network = "zh320_swiftnet"
model = dict(
    type="Segmentor", backbone=dict(type="ResNet", depth=18), decode_head=dict(type="ZH320SwiftNetHead")
)
