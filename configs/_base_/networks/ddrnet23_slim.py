"""DDRNet-23-slim as released (arXiv:2101.06085): 5.70 M parameters in inference.

Trained on its hardest pixels, as the authors do.
"""

network = "ddrnet23_slim"
hardest = dict(type="OHEMPixelSampler", thresh=0.9, min_kept=131072)
model = dict(
    type="Segmentor",
    backbone=dict(type="DDRNetEncoder", channels=32, blocks=(2, 2, 2, 2)),
    decode_head=dict(type="NormFirstHead", in_channels=128, channels=64, sampler=hardest),
    auxiliary_head=dict(
        type="NormFirstHead",
        in_channels=64,
        in_index=0,
        channels=64,
        sampler=hardest,
        loss_decode=dict(type="WeightedCrossEntropy", loss_weight=0.4),
    ),
)
