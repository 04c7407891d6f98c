"""GCNet-L as released (arXiv:2503.03325): 45.2 M parameters in its deployment form."""

network = "gcnet_l"
model = dict(
    type="Segmentor",
    backbone=dict(type="GCNetEncoder", channels=64, stem_blocks=(5, 5), blocks=((5, 5), (5, 5), (3, 3))),
    decode_head=dict(type="NormFirstHead", in_channels=256, channels=256),
    auxiliary_head=dict(
        type="NormFirstHead",
        in_channels=128,
        in_index=0,
        channels=256,
        loss_decode=dict(type="WeightedCrossEntropy", loss_weight=0.4),
    ),
)
