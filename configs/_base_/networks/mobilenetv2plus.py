"""MobileNetV2Plus (LightNet): dilated MobileNetV2, all stages concatenated, ASPP: 8.30 M parameters."""

network = "mobilenetv2plus"
model = dict(
    type="Segmentor",
    backbone=dict(type="MobileNetV2Plus"),
    decode_head=dict(type="LightNetHead", in_channels=(40, 712)),
)
