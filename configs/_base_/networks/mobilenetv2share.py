"""MobileNetV2Share (LightNet): MobileNetV2Plus on the quarters of the image: 8.30 M parameters."""

network = "mobilenetv2share"
model = dict(
    type="Segmentor",
    size_multiple=8,
    backbone=dict(type="MobileNetV2Plus", quarters=True),
    decode_head=dict(type="LightNetHead", in_channels=(40, 712), quarters=True, dilations=(24, 48, 72)),
)
