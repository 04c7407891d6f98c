"""ADSCNet (Applied Intelligence 2020) as re-implemented by zh320: 0.51 M parameters."""

network = "adscnet"
model = dict(type="Segmentor", backbone=dict(type="ADSCNet"), decode_head=dict(type="ADSCNetHead"))
