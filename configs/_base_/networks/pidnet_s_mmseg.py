"""PIDNet-S (arXiv:2206.02066), MMSegmentation's, 7.7 M parameters; BN instead of SyncBN.

Trained with a boundary loss and on its hardest pixels, as MMSegmentation does; the last two take no class
weights from the recipe. The edges are found from the labels, so that it needs no pipeline of its own.
"""

network = "pidnet_s_mmseg"
norm_cfg = dict(type="BN")
act_cfg = dict(type="ReLU", inplace=True)
hardest = dict(type="OhemCrossEntropy", thres=0.9, min_kept=131072, loss_weight=1.0)
model = dict(
    type="Segmentor",
    size_multiple=8,
    backbone=dict(
        type="PIDNet",
        in_channels=3,
        channels=32,
        ppm_channels=96,
        num_stem_blocks=2,
        num_branch_blocks=3,
        align_corners=False,
        norm_cfg=norm_cfg,
        act_cfg=act_cfg,
        init_cfg=None,
    ),
    decode_head=dict(
        type="PIDNetHead",
        in_channels=128,
        channels=128,
        norm_cfg=norm_cfg,
        act_cfg=act_cfg,
        align_corners=True,
        loss_decode=[
            dict(type="WeightedCrossEntropy", loss_weight=0.4),
            hardest,
            dict(type="BoundaryLoss", loss_weight=20.0),
            hardest,
        ],
    ),
)
