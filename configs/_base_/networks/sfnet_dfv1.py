"""SFNet as released (arXiv:2002.10120), with DFNetV1: 8.42 M parameters."""

network = "sfnet_dfv1"
model = dict(
    type="Segmentor",
    backbone=dict(type="DFNet"),
    decode_head=dict(type="SFNetHead", in_channels=(128, 256, 512), channels=64),
)
