"""GCNet-S as released (arXiv:2503.03325): 9.21 M parameters in its deployment form."""

network = "gcnet_s"
model = dict(
    type="Segmentor",
    backbone=dict(type="GCNetEncoder"),
    decode_head=dict(type="NormFirstHead", in_channels=128, channels=64),
    auxiliary_head=dict(
        type="NormFirstHead",
        in_channels=64,
        in_index=0,
        channels=64,
        loss_decode=dict(type="WeightedCrossEntropy", loss_weight=0.4),
    ),
)
