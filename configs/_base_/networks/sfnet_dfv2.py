"""SFNet as released (arXiv:2002.10120), with DFNetV2: 17.9 M parameters."""

network = "sfnet_dfv2"
model = dict(
    type="Segmentor",
    backbone=dict(
        type="DFNet",
        stages=((64, 2, 2), (128, 1, 1), (128, 10, 2), (256, 1, 1), (256, 4, 2), (512, 2, 1)),
        out_indices=(1, 3, 5),
    ),
    decode_head=dict(type="SFNetHead", in_channels=(128, 256, 512), channels=64),
)
