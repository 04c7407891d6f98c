"""BiSeNetV1 with ResNet-18 (arXiv:1808.00897) as CoinCheung has it: 13.3 M parameters in inference."""

network = "bisenetv1"
norm_cfg = dict(type="BN")
model = dict(
    type="Segmentor",
    backbone=dict(
        type="PlainGateBiSeNetV1",
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
    decode_head=dict(type="ConvHead", in_channels=256, in_index=0, channels=256, classifier_bias=True),
    auxiliary_head=[
        dict(type="ConvHead", in_channels=128, channels=64, in_index=in_index, classifier_bias=True)
        for in_index in (1, 2)
    ],
)
