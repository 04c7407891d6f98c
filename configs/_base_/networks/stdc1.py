"""STDC1 (arXiv:2104.13188) as released, 8.28 M parameters: hardest pixels only, and a detail loss."""

network = "stdc1"
norm_cfg = dict(type="BN")
hardest = dict(type="OHEMPixelSampler", thresh=0.7, min_kept=10000)
model = dict(
    type="Segmentor",
    backbone=dict(
        type="STDCContextPathNet",
        backbone_cfg=dict(
            type="STDCNet",
            stdc_type="STDCNet1",
            in_channels=3,
            channels=(32, 64, 256, 512, 1024),
            bottleneck_type="cat",
            num_convs=4,
            norm_cfg=norm_cfg,
            act_cfg=dict(type="ReLU"),
            with_final_conv=False,
        ),
        last_in_channels=(1024, 512),
        out_channels=128,
        ffm_cfg=dict(in_channels=384, out_channels=256, scale_factor=4),
    ),
    decode_head=dict(
        type="ConvHead",
        in_channels=256,
        in_index=3,
        channels=256,
        align_corners=True,
        sampler=hardest,
    ),
    auxiliary_head=[
        *[
            dict(
                type="ConvHead",
                in_channels=128,
                in_index=in_index,
                channels=64,
                align_corners=True,
                sampler=hardest,
            )
            for in_index in (2, 1)
        ],
        dict(
            type="OneChannelDetailHead",
            in_channels=256,
            in_index=0,
            channels=64,
            num_convs=1,
            num_classes=1,  # whether a pixel has detail; the target is made from the labels
            boundary_threshold=0.1,
            norm_cfg=norm_cfg,
            concat_input=False,
            dropout_ratio=0,
            align_corners=True,
        ),
    ],
)
