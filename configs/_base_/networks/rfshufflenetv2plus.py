"""RF-ShuffleNetV2Plus (LightNet): ShuffleNetV2Plus with a receptive-field block: 8.36 M parameters."""

network = "rfshufflenetv2plus"
model = dict(
    type="Segmentor",
    backbone=dict(type="ShuffleNetV2Plus"),
    decode_head=dict(type="LightNetHead", in_channels=(48, 1728), context="rfb"),
)
