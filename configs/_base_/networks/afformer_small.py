"""AFFormer-small as released (arXiv:2301.04648): 2.29 M parameters."""

network = "afformer_small"
model = dict(
    type="Segmentor",
    backbone=dict(type="AFFormer", widths=(32, 64, 176, 216)),
    decode_head=dict(
        type="ConvHead",
        in_channels=216,
        channels=256,
        kernel_size=1,
        classifier_bias=True,
        channel_dropout=0.1,
        norm_cfg=dict(type="GN", num_groups=32),
    ),
)
