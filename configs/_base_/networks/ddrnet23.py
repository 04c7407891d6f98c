"""DDRNet-23 as released (arXiv:2101.06085): 20.15 M parameters in inference.

Trained on its hardest pixels, as the authors do.
"""

network = "ddrnet23"
hardest = dict(type="OHEMPixelSampler", thresh=0.9, min_kept=131072)
model = dict(
    type="Segmentor",
    backbone=dict(type="DDRNetEncoder", channels=64, blocks=(2, 2, 2, 2)),
    decode_head=dict(type="NormFirstHead", in_channels=256, channels=128, sampler=hardest),
    auxiliary_head=dict(
        type="NormFirstHead",
        in_channels=128,
        in_index=0,
        channels=128,
        sampler=hardest,
        loss_decode=dict(type="WeightedCrossEntropy", loss_weight=0.4),
    ),
)
