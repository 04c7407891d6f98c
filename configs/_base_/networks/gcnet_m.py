"""GCNet-M as released (arXiv:2503.03325): 34.2 M parameters in its deployment form."""

network = "gcnet_m"
model = dict(
    type="Segmentor",
    backbone=dict(type="GCNetEncoder", channels=64),
    decode_head=dict(type="NormFirstHead", in_channels=256, channels=128),
    auxiliary_head=dict(
        type="NormFirstHead",
        in_channels=128,
        in_index=0,
        channels=128,
        loss_decode=dict(type="WeightedCrossEntropy", loss_weight=0.4),
    ),
)
