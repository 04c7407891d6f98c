"""MiniNet-v2 (T-RO 2020) as re-implemented by zh320: 0.51 M parameters."""

network = "mininetv2"
model = dict(type="Segmentor", backbone=dict(type="MiniNetV2"), decode_head=dict(type="MiniNetV2Head"))
