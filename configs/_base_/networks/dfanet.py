"""DFANet A (arXiv:1904.02216) as re-implemented by zh320: 3.05 M parameters."""

network = "dfanet"
model = dict(type="Segmentor", backbone=dict(type="DFANet"), decode_head=dict(type="DFANetHead"))
