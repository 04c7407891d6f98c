"""DABNet as released (arXiv:1907.11357), 0.76 M parameters."""

network = "dabnet"
model = dict(
    type="Segmentor",
    backbone=dict(type="DABNet"),
    decode_head=dict(type="ClassifierHead", in_channels=259),
)
