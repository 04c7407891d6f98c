"""DDRNet-39 as released (arXiv:2101.06085): 32.36 M parameters in inference.

Trained on its hardest pixels, as the authors do.
"""

network = "ddrnet39"
hardest = dict(type="OHEMPixelSampler", thresh=0.9, min_kept=131072)
model = dict(
    type="Segmentor",
    backbone=dict(type="DDRNetEncoder", channels=64, blocks=(3, 4, 3, 3, 3)),
    decode_head=dict(type="NormFirstHead", in_channels=256, channels=256, sampler=hardest),
    auxiliary_head=dict(
        type="NormFirstHead",
        in_channels=128,
        in_index=0,
        channels=256,
        sampler=hardest,
        loss_decode=dict(type="WeightedCrossEntropy", loss_weight=0.4),
    ),
)
