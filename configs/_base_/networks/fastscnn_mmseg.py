"""Fast-SCNN (arXiv:1902.04502) as MMSegmentation has it, 1.40 M parameters; BN instead of SyncBN.

MMSegmentation trains it with a binary cross entropy of each class; here it has the recipe's loss like all
other networks.
"""

network = "fastscnn_mmseg"
norm_cfg = dict(type="BN", momentum=0.01)
auxiliary_loss = dict(type="WeightedCrossEntropy", loss_weight=0.4)
model = dict(
    type="Segmentor",
    backbone=dict(
        type="FastSCNN",
        downsample_dw_channels=(32, 48),
        global_in_channels=64,
        global_block_channels=(64, 96, 128),
        global_block_strides=(2, 2, 1),
        global_out_channels=128,
        higher_in_channels=64,
        lower_in_channels=128,
        fusion_out_channels=128,
        out_indices=(0, 1, 2),
        norm_cfg=norm_cfg,
        align_corners=False,
    ),
    decode_head=dict(
        type="DepthwiseSeparableFCNHead",
        in_channels=128,
        channels=128,
        concat_input=False,
        in_index=-1,
        norm_cfg=norm_cfg,
        align_corners=False,
    ),
    auxiliary_head=[
        dict(
            type="FCNHead",
            in_channels=in_channels,
            channels=32,
            num_convs=1,
            in_index=in_index,
            norm_cfg=norm_cfg,
            concat_input=False,
            align_corners=False,
            loss_decode=auxiliary_loss,
        )
        for in_channels, in_index in ((128, -2), (64, -3))
    ],
)
