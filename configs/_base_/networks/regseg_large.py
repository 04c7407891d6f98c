"""The larger version of RegSeg in its repository (exp53_decoder29): 6.13 M parameters."""

network = "regseg_large"
model = dict(
    type="Segmentor",
    backbone=dict(type="RegSeg", channels=(32, 48, 120, 336, 384), blocks=(2, 6), group_width=24),
    decode_head=dict(
        type="RegSegHead",
        in_channels=(48, 120, 384),
        sum_channels=256,
        detail_channels=16,
        middle_channels=128,
        channels=128,
    ),
)
