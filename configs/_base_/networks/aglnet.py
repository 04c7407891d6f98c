"""AGLNet (Applied Soft Computing 2020) as re-implemented by zh320: 1.02 M parameters."""

network = "aglnet"
model = dict(type="Segmentor", backbone=dict(type="AGLNet"), decode_head=dict(type="AGLNetHead"))
