"""ICNet with ResNet-50 (arXiv:1704.08545), MMSegmentation's, 47.5 M parameters; BN instead of SyncBN."""

network = "icnet"
norm_cfg = dict(type="BN")
auxiliary_loss = dict(type="WeightedCrossEntropy", loss_weight=0.4)
model = dict(
    type="Segmentor",
    backbone=dict(
        type="ICNet",
        backbone_cfg=dict(
            type="ResNetV1c",
            in_channels=3,
            depth=50,
            num_stages=4,
            out_indices=(0, 1, 2, 3),
            dilations=(1, 1, 2, 4),
            strides=(1, 2, 1, 1),
            norm_cfg=norm_cfg,
            norm_eval=False,
            style="pytorch",
            contract_dilation=True,
        ),
        in_channels=3,
        layer_channels=(512, 2048),
        light_branch_middle_channels=32,
        psp_out_channels=512,
        out_channels=(64, 256, 256),
        norm_cfg=norm_cfg,
        align_corners=False,
    ),
    neck=dict(
        type="ICNeck", in_channels=(64, 256, 256), out_channels=128, norm_cfg=norm_cfg, align_corners=False
    ),
    decode_head=dict(
        type="FCNHead",
        in_channels=128,
        channels=128,
        num_convs=1,
        in_index=2,
        dropout_ratio=0,
        norm_cfg=norm_cfg,
        concat_input=False,
        align_corners=False,
    ),
    auxiliary_head=[
        dict(
            type="FCNHead",
            in_channels=128,
            channels=128,
            num_convs=1,
            in_index=in_index,
            norm_cfg=norm_cfg,
            concat_input=False,
            align_corners=False,
            loss_decode=auxiliary_loss,
        )
        for in_index in (0, 1)
    ],
)
