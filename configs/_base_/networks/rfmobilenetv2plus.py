"""RF-MobileNetV2Plus (LightNet): MobileNetV2Plus with a receptive-field block: 8.64 M parameters."""

network = "rfmobilenetv2plus"
model = dict(
    type="Segmentor",
    backbone=dict(type="MobileNetV2Plus"),
    decode_head=dict(type="LightNetHead", in_channels=(40, 712), context="rfb"),
)
