"""ShuffleNetV2Plus (LightNet): dilated ShuffleNet v1, stages concatenated, ASPP: 15.31 M parameters."""

network = "shufflenetv2plus"
model = dict(
    type="Segmentor",
    backbone=dict(type="ShuffleNetV2Plus"),
    decode_head=dict(type="LightNetHead", in_channels=(48, 1728)),
)
