"""Lite-HRNet-18 (arXiv:2104.06403) as re-implemented by zh320: 1.09 M parameters."""

network = "lite_hrnet"
model = dict(type="Segmentor", backbone=dict(type="LiteHRNet"), decode_head=dict(type="LiteHRNetHead"))
