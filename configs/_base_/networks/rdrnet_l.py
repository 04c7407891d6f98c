"""RDRNet-L as released (arXiv:2406.12496): 37.0 M parameters in its deployment form."""

network = "rdrnet_l"
model = dict(
    type="Segmentor",
    backbone=dict(
        type="RDRNetEncoder", channels=64, stem_blocks=(6, 6), blocks=((8, 6), (8, 6)), last_blocks=2
    ),
    decode_head=dict(type="NormFirstHead", in_channels=256, channels=256),
    auxiliary_head=dict(
        type="NormFirstHead",
        in_channels=128,
        in_index=0,
        channels=256,
        loss_decode=dict(type="WeightedCrossEntropy", loss_weight=0.4),
    ),
)
