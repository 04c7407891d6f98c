"""RDRNet-S-Simple as released (arXiv:2406.12496): 7.16 M parameters in its deployment form."""

network = "rdrnet_s_simple"
model = dict(
    type="Segmentor",
    backbone=dict(type="RDRNetEncoder"),
    decode_head=dict(type="NormFirstHead", in_channels=128, channels=64),
    auxiliary_head=dict(
        type="NormFirstHead",
        in_channels=64,
        in_index=0,
        channels=64,
        loss_decode=dict(type="WeightedCrossEntropy", loss_weight=0.4),
    ),
)
