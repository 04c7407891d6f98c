"""ERFNet (Romera et al., T-ITS 2018) as MMSegmentation has it, with its authors' epsilon and dropout rates."""

network = "erfnet"
model = dict(
    type="Segmentor",
    backbone=dict(
        type="ERFNet",
        in_channels=3,
        enc_downsample_channels=(16, 64, 128),
        enc_stage_non_bottlenecks=(5, 8),
        enc_non_bottleneck_dilations=(2, 4, 8, 16),
        enc_non_bottleneck_channels=(64, 128),
        dec_upsample_channels=(64, 16),
        dec_stages_non_bottleneck=(2, 2),
        dec_non_bottleneck_channels=(64, 16),
        dropout_ratio=0.1,
        init_cfg=None,
    ),
    decode_head=dict(
        type="FCNHead",
        in_channels=16,
        channels=128,
        num_convs=1,
        concat_input=False,
        dropout_ratio=0.1,
        norm_cfg=dict(type="BN"),
        align_corners=False,
    ),
)
