"""MobileNetV3-large with LR-ASPP (arXiv:1905.02244), MMSegmentation's, 3.3 M parameters; BN, not SyncBN."""

network = "mobilenetv3_lraspp"
norm_cfg = dict(type="BN", eps=0.001)
model = dict(
    type="Segmentor",
    backbone=dict(type="MobileNetV3", arch="large", out_indices=(1, 3, 16), norm_cfg=norm_cfg),
    decode_head=dict(
        type="AnySizeLRASPPHead",
        in_channels=(16, 24, 960),
        in_index=(0, 1, 2),
        channels=128,
        input_transform="multiple_select",
        dropout_ratio=0.1,
        norm_cfg=norm_cfg,
        act_cfg=dict(type="ReLU"),
        align_corners=False,
    ),
)
