"""SCTNet-B as released (arXiv:2312.17071), trained without its teacher: 17.4 M parameters in inference."""

network = "sctnet_b"
model = dict(
    type="Segmentor",
    backbone=dict(type="SCTNet", channels=64),
    decode_head=dict(type="NormFirstHead", in_channels=256, bias=True),
    auxiliary_head=dict(
        type="NormFirstHead",
        in_channels=128,
        in_index=0,
        bias=True,
        loss_decode=dict(type="WeightedCrossEntropy", loss_weight=0.4),
    ),
)
