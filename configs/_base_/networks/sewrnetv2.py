"""SEWideResNetV2 (LightNet): wide ResNet with an ASPP, not real-time: 169.96 M parameters."""

network = "sewrnetv2"
model = dict(
    type="Segmentor",
    backbone=dict(type="SEWideResNetV2"),
    decode_head=dict(type="SEWideResNetHead"),
)
