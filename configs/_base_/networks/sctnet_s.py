"""SCTNet-S as released (arXiv:2312.17071), trained without its teacher: 4.65 M parameters in inference."""

network = "sctnet_s"
model = dict(
    type="Segmentor",
    backbone=dict(type="SCTNet", channels=32),
    decode_head=dict(type="NormFirstHead", in_channels=128, bias=True),
    auxiliary_head=dict(
        type="NormFirstHead",
        in_channels=64,
        in_index=0,
        bias=True,
        loss_decode=dict(type="WeightedCrossEntropy", loss_weight=0.4),
    ),
)
