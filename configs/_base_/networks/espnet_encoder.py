"""ESPNet-C (arXiv:1803.06815): the encoder of ESPNet with a 1x1 classifier at 1/8, 0.35 M parameters."""

network = "espnet_encoder"
model = dict(
    type="Segmentor",
    backbone=dict(type="ESPNet"),
    decode_head=dict(type="ClassifierHead", in_channels=256),
)
