"""MixedScaleDenseNet (LightNet): 128 dense layers of one channel at 1/4 of the image: 1.25 M parameters."""

network = "mixscaledensenet"
model = dict(
    type="Segmentor",
    backbone=dict(type="MixedScaleDenseNet"),
    decode_head=dict(type="LightNetHead", in_channels=(160,), context_channels=160, dilations=(24, 48, 72)),
)
