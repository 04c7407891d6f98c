"""ShelfNet-18 as released (arXiv:1811.11254): 14.3 M parameters in inference."""

network = "shelfnet18"
head = dict(
    type="ConvHead",
    channels=64,
    classifier_kernel=3,
    act_cfg=dict(type="LeakyReLU", negative_slope=0.01),
    align_corners=True,
)
model = dict(
    type="Segmentor",
    backbone=dict(type="ShelfNetEncoder"),
    decode_head=dict(in_channels=64, **head),
    auxiliary_head=[
        dict(in_channels=in_channels, in_index=in_index, **head)
        for in_channels, in_index in ((128, 1), (256, 0))
    ],
)
