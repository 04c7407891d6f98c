"""PIDNet-L as released (arXiv:2206.02066): 37.3 M parameters with the heads for training.

Trained with a boundary loss and on its hardest pixels, as the authors do; the last two losses take no class
weights from the recipe. The edges are found from the labels, so that it needs no pipeline of its own.
"""

network = "pidnet_l"
hardest = dict(type="OhemCrossEntropy", thres=0.9, min_kept=131072, loss_weight=1.0)
model = dict(
    type="Segmentor",
    backbone=dict(type="PIDNetEncoder", channels=64, blocks=(3, 4), context_channels=112, large=True),
    decode_head=dict(
        type="PIDNetHead",
        in_channels=256,
        channels=256,
        norm_cfg=dict(type="BN"),
        act_cfg=dict(type="ReLU"),
        dropout_ratio=0,
        align_corners=False,
        loss_decode=[
            dict(type="WeightedCrossEntropy", loss_weight=0.4),
            hardest,
            dict(type="BoundaryLoss", loss_weight=20.0),
            hardest,
        ],
    ),
)
