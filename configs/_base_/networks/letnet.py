"""LETNet (arXiv:2302.10484), its third long connection made to fit: 0.95 M parameters."""

network = "letnet"
model = dict(type="Segmentor", backbone=dict(type="LETNet"), decode_head=dict(type="LETNetHead"))
