"""DSNet as released (arXiv:2406.03702): 6.76 M parameters in inference."""

network = "dsnet"
auxiliary = dict(
    type="NormFirstHead",
    in_channels=128,
    loss_decode=dict(type="WeightedCrossEntropy", loss_weight=0.4),
)
model = dict(
    type="Segmentor",
    backbone=dict(type="DSNetEncoder"),
    decode_head=dict(type="DSNetHead", in_channels=(32, 128)),
    auxiliary_head=[
        dict(in_index=1, channels=128, **auxiliary),
        dict(in_index=2, channels=32, **auxiliary),
    ],
)
