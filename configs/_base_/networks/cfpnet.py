"""CFPNet (arXiv:2103.12212) as re-implemented by zh320: 0.27 M parameters."""

network = "cfpnet"
model = dict(type="Segmentor", backbone=dict(type="CFPNet"), decode_head=dict(type="CFPNetHead"))
