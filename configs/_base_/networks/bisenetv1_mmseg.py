"""BiSeNetV1 with ResNet-18 (arXiv:1808.00897), MMSegmentation's, 13.3 M parameters; BN instead of SyncBN."""

network = "bisenetv1_mmseg"
norm_cfg = dict(type="BN")
model = dict(
    type="Segmentor",
    backbone=dict(
        type="BiSeNetV1",
        in_channels=3,
        context_channels=(128, 256, 512),
        spatial_channels=(64, 64, 64, 128),
        out_indices=(0, 1, 2),
        out_channels=256,
        backbone_cfg=dict(
            type="ResNet",
            in_channels=3,
            depth=18,
            num_stages=4,
            out_indices=(0, 1, 2, 3),
            dilations=(1, 1, 1, 1),
            strides=(1, 2, 2, 2),
            norm_cfg=norm_cfg,
            norm_eval=False,
            style="pytorch",
            contract_dilation=True,
        ),
        norm_cfg=norm_cfg,
        align_corners=False,
        init_cfg=None,
    ),
    decode_head=dict(
        type="FCNHead",
        in_channels=256,
        in_index=0,
        channels=256,
        num_convs=1,
        concat_input=False,
        dropout_ratio=0.1,
        norm_cfg=norm_cfg,
        align_corners=False,
    ),
    auxiliary_head=[
        dict(
            type="FCNHead",
            in_channels=128,
            channels=64,
            num_convs=1,
            in_index=in_index,
            norm_cfg=norm_cfg,
            concat_input=False,
            align_corners=False,
        )
        for in_index in (1, 2)
    ],
)
