"""MiniNet (ICRA 2019) as re-implemented by zh320: 1.41 M parameters."""

network = "mininet"
model = dict(type="Segmentor", backbone=dict(type="MiniNet"), decode_head=dict(type="MiniNetHead"))
