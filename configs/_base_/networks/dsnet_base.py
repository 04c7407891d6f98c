"""DSNet-Base as released (arXiv:2406.03702): 37.5 M parameters in inference."""

network = "dsnet_base"
auxiliary = dict(
    type="NormFirstHead",
    in_channels=256,
    loss_decode=dict(type="WeightedCrossEntropy", loss_weight=0.4),
)
model = dict(
    type="Segmentor",
    backbone=dict(type="DSNetEncoder", channels=64, blocks=3, dilations=((2, 2, 3), (3, 5, 5), 5)),
    decode_head=dict(type="DSNetHead", in_channels=(64, 256)),
    auxiliary_head=[
        dict(in_index=1, channels=256, **auxiliary),
        dict(in_index=2, channels=64, **auxiliary),
    ],
)
