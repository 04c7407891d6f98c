"""RDRNet-S as released (arXiv:2406.12496): 7.28 M parameters in its deployment form."""

network = "rdrnet_s"
model = dict(
    type="Segmentor",
    backbone=dict(type="RDRNetEncoder"),
    decode_head=dict(type="NormFirstHead", in_channels=128, channels=128),
    auxiliary_head=dict(
        type="NormFirstHead",
        in_channels=64,
        in_index=0,
        channels=128,
        loss_decode=dict(type="WeightedCrossEntropy", loss_weight=0.4),
    ),
)
