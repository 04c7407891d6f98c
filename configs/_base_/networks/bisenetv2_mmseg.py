"""BiSeNetV2 (arXiv:2004.02147), MMSegmentation's, 3.4 M parameters (training 14.8 M); BN, not SyncBN."""

network = "bisenetv2_mmseg"
norm_cfg = dict(type="BN")
model = dict(
    type="Segmentor",
    backbone=dict(
        type="BiSeNetV2",
        detail_channels=(64, 64, 128),
        semantic_channels=(16, 32, 64, 128),
        semantic_expansion_ratio=6,
        bga_channels=128,
        out_indices=(0, 1, 2, 3, 4),
        init_cfg=None,
        align_corners=False,
    ),
    decode_head=dict(
        type="FCNHead",
        in_channels=128,
        in_index=0,
        channels=1024,
        num_convs=1,
        concat_input=False,
        dropout_ratio=0.1,
        norm_cfg=norm_cfg,
        align_corners=False,
    ),
    auxiliary_head=[
        dict(
            type="FCNHead",
            in_channels=in_channels,
            channels=channels,
            num_convs=2,
            in_index=in_index,
            norm_cfg=norm_cfg,
            concat_input=False,
            align_corners=False,
        )
        for in_index, in_channels, channels in ((1, 16, 16), (2, 32, 64), (3, 64, 256), (4, 128, 1024))
    ],
)
