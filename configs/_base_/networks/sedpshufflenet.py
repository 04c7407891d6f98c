"""SEDPNShuffleNet (LightNet): dual-path units with channel shuffle, three ASPPs: 66.20 M parameters."""

network = "sedpshufflenet"
model = dict(
    type="Segmentor",
    backbone=dict(type="SEDPNShuffleNet"),
    decode_head=dict(type="SEDPNShuffleHead"),
)
