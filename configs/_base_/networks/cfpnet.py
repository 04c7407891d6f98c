"""CFPNet as released (arXiv:2103.12212): channel-wise feature pyramids, 0.55 M parameters."""

network = "cfpnet"
model = dict(
    type="Segmentor",
    backbone=dict(type="CFPNet"),
    decode_head=dict(type="ClassifierHead", in_channels=259),
)
