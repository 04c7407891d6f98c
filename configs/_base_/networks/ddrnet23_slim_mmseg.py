"""DDRNet-23-slim (arXiv:2101.06085), MMSegmentation's, 5.7 M parameters; BN instead of SyncBN.

Trained on its hardest pixels, as MMSegmentation does; this loss takes no class weights from the recipe.
"""

network = "ddrnet23_slim_mmseg"
norm_cfg = dict(type="BN")
model = dict(
    type="Segmentor",
    size_multiple=8,
    backbone=dict(
        type="DDRNet",
        in_channels=3,
        channels=32,
        ppm_channels=128,
        norm_cfg=norm_cfg,
        align_corners=False,
        init_cfg=None,
    ),
    decode_head=dict(
        type="DDRHead",
        in_channels=128,
        channels=64,
        dropout_ratio=0.0,
        align_corners=False,
        norm_cfg=norm_cfg,
        loss_decode=[
            dict(type="OhemCrossEntropy", thres=0.9, min_kept=131072, loss_weight=weight)
            for weight in (1.0, 0.4)
        ],
    ),
)
